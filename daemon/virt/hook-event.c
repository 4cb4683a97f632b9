/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads the format of hooks/event.h. The bytes come from a socket or a file and are not trusted: limits first, then the
 * header line by line, then the length. The XML itself is left to xml/guest-xml.h.
 */
#include "daemon/virt/hook-event.h"

#include <string.h>

G_DEFINE_QUARK (vr-hook-event-error-quark, vr_hook_event_error)
G_DEFINE_BOXED_TYPE (VrHookEvent, vr_hook_event, vr_hook_event_ref, vr_hook_event_unref)

typedef enum { KEY_GUEST, KEY_OPERATION, KEY_SUB_OPERATION, KEY_REASON, KEY_TIME, KEY_LENGTH, N_KEYS } Key;

static const char *const key_words[] = {
  VR_EVENT_KEY_GUEST, VR_EVENT_KEY_OPERATION, VR_EVENT_KEY_SUB_OPERATION,
  VR_EVENT_KEY_REASON, VR_EVENT_KEY_TIME, VR_EVENT_KEY_LENGTH,
};
G_STATIC_ASSERT (G_N_ELEMENTS (key_words) == N_KEYS);

typedef struct {
  char *values[N_KEYS]; /* unescaped; NULL: not seen */
} Header;

static void
header_clear (Header *header)
{
  for (guint key = 0; key < N_KEYS; key++)
    g_clear_pointer (&header->values[key], g_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Header, header_clear)

static const char *const operation_words[] = {
#define WORD(suffix, word) word,
  VR_EVENT_OPERATIONS (WORD)
#undef WORD
};
G_STATIC_ASSERT (G_N_ELEMENTS (operation_words) == VR_HOOK_N_OPERATIONS);

const char *
vr_hook_operation_to_string (VrHookOperation operation)
{
  g_return_val_if_fail ((guint) operation < VR_HOOK_N_OPERATIONS, "unknown");
  return operation_words[operation];
}

gboolean
vr_hook_operation_from_string (const char *word, VrHookOperation *operation)
{
  for (guint i = 0; i < VR_HOOK_N_OPERATIONS; i++)
    if (strcmp (word, operation_words[i]) == 0)
      {
        *operation = (VrHookOperation) i;
        return TRUE;
      }
  return FALSE;
}

VrHookEvent *
vr_hook_event_ref (VrHookEvent *event)
{
  return g_atomic_rc_box_acquire (event);
}

static void
hook_event_clear (gpointer data)
{
  VrHookEvent *event = data;

  g_free (event->guest);
  g_free (event->sub_operation);
  g_free (event->reason);
  g_free (event->xml);
}

void
vr_hook_event_unref (VrHookEvent *event)
{
  g_atomic_rc_box_release_full (event, hook_event_clear);
}

char *
vr_hook_event_identity (const VrHookEvent *event)
{
  return g_strdup_printf ("%" G_GINT64_FORMAT " %s %s %s", event->time_us, vr_hook_operation_to_string (event->operation),
                          event->sub_operation, event->guest);
}

static gboolean G_GNUC_PRINTF (3, 4)
fail (GError **error, VrHookEventErrorCode code, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_propagate_error (error, g_error_new_valist (VR_HOOK_EVENT_ERROR, (int) code, format, args));
  va_end (args);
  return FALSE;
}

/* Undoes the %XX of a value. Gives NULL when the escaping is broken, or the result holds a NUL or is not UTF-8. */
static char *
unescape (const char *value, gsize len)
{
  g_autoptr (GString) text = g_string_sized_new (len);

  for (gsize i = 0; i < len; i++)
    {
      int byte = (guchar) value[i];

      if (byte == '%')
        {
          if (len - i < 3 || !g_ascii_isxdigit (value[i + 1]) || !g_ascii_isxdigit (value[i + 2]))
            return NULL;
          byte = g_ascii_xdigit_value (value[i + 1]) * 16 + g_ascii_xdigit_value (value[i + 2]);
          i += 2;
        }
      g_string_append_c (text, (char) byte);
    }
  if (!g_utf8_validate_len (text->str, text->len, NULL))
    return NULL;
  return g_string_free (g_steal_pointer (&text), FALSE);
}

/* Takes one header line, without its newline; a key of a later version is passed over. */
static gboolean
read_header_line (const char *line, gsize len, Header *header, GError **error)
{
  char **values = header->values;
  const char *colon = g_strstr_len (line, (gssize) len, ": ");

  if (colon == NULL)
    return fail (error, VR_HOOK_EVENT_ERROR_FORMAT, "a header line is not of the form “key: value”");
  for (guint key = 0; key < N_KEYS; key++)
    {
      gsize key_len = strlen (key_words[key]);

      if ((gsize) (colon - line) != key_len || memcmp (line, key_words[key], key_len) != 0)
        continue;
      if (values[key] != NULL)
        return fail (error, VR_HOOK_EVENT_ERROR_FORMAT, "the header has “%s” twice", key_words[key]);
      values[key] = unescape (colon + 2, len - key_len - 2);
      if (values[key] == NULL)
        return fail (error, VR_HOOK_EVENT_ERROR_FORMAT, "the value of “%s” is not escaped UTF-8", key_words[key]);
    }
  return TRUE;
}

/* Reads the whole header; *xml_start becomes the offset of the first byte behind it. */
static gboolean
read_header (const char *data, gsize len, Header *header, gsize *xml_start, GError **error)
{
  gsize limit = MIN (len, VR_EVENT_MAX_HEADER), start = strlen (VR_EVENT_MAGIC) + 1;

  if (len < start)
    return fail (error, VR_HOOK_EVENT_ERROR_TRUNCATED, "%" G_GSIZE_FORMAT " bytes are too few for an event", len);
  if (memcmp (data, VR_EVENT_MAGIC "\n", start) != 0)
    return fail (error, VR_HOOK_EVENT_ERROR_FORMAT, "it does not begin with “%s”", VR_EVENT_MAGIC);
  while (start < limit)
    {
      const char *line = data + start, *end = memchr (line, '\n', limit - start);

      if (end == NULL)
        break;
      start += (gsize) (end - line) + 1;
      if (end == line)
        {
          *xml_start = start;
          return TRUE;
        }
      if (!read_header_line (line, (gsize) (end - line), header, error))
        return FALSE;
    }
  if (limit == VR_EVENT_MAX_HEADER)
    return fail (error, VR_HOOK_EVENT_ERROR_TOO_LARGE, "the header is larger than %d bytes", VR_EVENT_MAX_HEADER);
  return fail (error, VR_HOOK_EVENT_ERROR_TRUNCATED, "the header has no end");
}

static gboolean
check_values (const Header *header, GError **error)
{
  for (guint key = 0; key < N_KEYS; key++)
    if (header->values[key] == NULL)
      return fail (error, VR_HOOK_EVENT_ERROR_FORMAT, "the header has no “%s”", key_words[key]);
  if (header->values[KEY_GUEST][0] == '\0')
    return fail (error, VR_HOOK_EVENT_ERROR_FORMAT, "the guest's name is empty");
  return TRUE;
}

/* Reads a decimal number of 0 to `max`. */
static gboolean
read_number (const Header *header, Key key, guint64 max, guint64 *number, GError **error)
{
  if (g_ascii_string_to_unsigned (header->values[key], 10, 0, max, number, NULL))
    return TRUE;
  return fail (error, VR_HOOK_EVENT_ERROR_FORMAT, "the %s “%s” is not a number", key_words[key], header->values[key]);
}

static gboolean
check_length (guint64 expected, gsize there, GError **error)
{
  if (expected > VR_EVENT_MAX_XML)
    return fail (error, VR_HOOK_EVENT_ERROR_TOO_LARGE, "%" G_GUINT64_FORMAT " bytes of XML are more than the limit of %d",
                 expected, VR_EVENT_MAX_XML);
  if (there < expected)
    return fail (error, VR_HOOK_EVENT_ERROR_TRUNCATED, "%" G_GSIZE_FORMAT " of %" G_GUINT64_FORMAT " bytes of XML are there",
                 there, expected);
  if (there > expected)
    return fail (error, VR_HOOK_EVENT_ERROR_FORMAT, "%" G_GSIZE_FORMAT " bytes follow the end of the XML",
                 there - (gsize) expected);
  return TRUE;
}

VrHookEvent *
vr_hook_event_parse (const char *data, gsize len, GError **error)
{
  g_auto (Header) header = { { NULL } };
  VrHookOperation operation;
  guint64 time_us, xml_len;
  VrHookEvent *event;
  gsize xml_start = 0;

  if (!read_header (data, len, &header, &xml_start, error) || !check_values (&header, error) ||
      !read_number (&header, KEY_TIME, G_MAXINT64, &time_us, error) ||
      !read_number (&header, KEY_LENGTH, G_MAXUINT64, &xml_len, error) ||
      !check_length (xml_len, len - xml_start, error))
    return NULL;
  if (!vr_hook_operation_from_string (header.values[KEY_OPERATION], &operation))
    {
      fail (error, VR_HOOK_EVENT_ERROR_FORMAT, "“%s” is no operation of libvirt's qemu hook", header.values[KEY_OPERATION]);
      return NULL;
    }
  event = g_atomic_rc_box_new0 (VrHookEvent);
  event->guest = g_steal_pointer (&header.values[KEY_GUEST]);
  event->operation = operation;
  event->sub_operation = g_steal_pointer (&header.values[KEY_SUB_OPERATION]);
  event->reason = g_steal_pointer (&header.values[KEY_REASON]);
  event->time_us = (gint64) time_us;
  event->xml_len = (gsize) xml_len;
  event->xml = g_malloc (event->xml_len + 1);
  memcpy (event->xml, data + xml_start, event->xml_len);
  event->xml[event->xml_len] = '\0';
  return event;
}
