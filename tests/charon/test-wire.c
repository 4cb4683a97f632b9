/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The codec: what goes out byte by byte, and that nothing that comes in does harm. */
#include <string.h>

#include "libvici-glue/vici.h"
#include "libvici-glue/wire.h"

static VrViciMessage *
example (void)
{
  static const char *const items[] = { "a", "", NULL };
  VrViciMessage *message = vr_vici_message_new ();
  VrViciMessage *section;

  vr_vici_message_add (message, "key", "value");
  section = vr_vici_message_add_section (message, "sec");
  vr_vici_message_add_list (section, "list", items);
  vr_vici_message_add_section (section, "empty");
  vr_vici_message_add_number (message, "n", -1);
  return message;
}

static const guint8 example_bytes[] = {
  0, 0, 0, 52,                                          /* length */
  0, 3, 'c', 'm', 'd',                                  /* a request */
  3, 3, 'k', 'e', 'y', 0, 5, 'v', 'a', 'l', 'u', 'e',   /* key = value */
  1, 3, 's', 'e', 'c',                                  /* sec { */
  4, 4, 'l', 'i', 's', 't', 5, 0, 1, 'a', 5, 0, 0, 6,   /* list [ a, "" ] */
  1, 5, 'e', 'm', 'p', 't', 'y', 2,                     /* empty { } */
  2,                                                    /* } */
  3, 1, 'n', 0, 2, '-', '1',                            /* n = -1 */
};

static void
test_encode (void)
{
  g_autoptr (VrViciMessage) message = example ();
  g_autoptr (GByteArray) packet = vr_vici_packet_encode (VR_VICI_CMD_REQUEST, "cmd", message);

  g_assert_cmpmem (packet->data, packet->len, example_bytes, sizeof example_bytes);
  g_assert_cmpuint (vr_vici_message_len (message), ==, packet->len - 4 - 5);
}

static void
test_encode_register (void)
{
  static const guint8 expected[] = { 0, 0, 0, 5, 3, 3, 'l', 'o', 'g' };
  g_autoptr (GByteArray) packet = vr_vici_packet_encode (VR_VICI_EVENT_REGISTER, "log", NULL);

  g_assert_cmpmem (packet->data, packet->len, expected, sizeof expected);
}

static void
test_decode (void)
{
  g_auto (VrViciPacket) packet = { 0 };
  g_autoptr (GError) error = NULL;
  const VrViciMessage *section;
  g_auto (GStrv) list = NULL;
  const char *name;

  g_assert_true (vr_vici_packet_decode (example_bytes + 4, sizeof example_bytes - 4, &packet, &error));
  g_assert_no_error (error);
  g_assert_cmpint (packet.type, ==, VR_VICI_CMD_REQUEST);
  g_assert_cmpstr (packet.name, ==, "cmd");
  g_assert_cmpstr (vr_vici_message_get (packet.message, "key"), ==, "value");
  g_assert_null (vr_vici_message_get (packet.message, "sec"));
  section = vr_vici_message_nth_section (packet.message, 0, &name);
  g_assert_cmpstr (name, ==, "sec");
  g_assert_true (section == vr_vici_message_get_section (packet.message, "sec"));
  list = vr_vici_message_get_list (section, "list");
  g_assert_cmpuint (g_strv_length (list), ==, 2);
  g_assert_cmpstr (list[0], ==, "a");
  g_assert_cmpstr (list[1], ==, "");
  g_assert_nonnull (vr_vici_message_get_section (section, "empty"));
  g_assert_null (vr_vici_message_nth_section (packet.message, 1, NULL));
}

static void
test_numbers (void)
{
  g_autoptr (VrViciMessage) message = vr_vici_message_new ();

  vr_vici_message_add (message, "big", "18446744073709551615");
  vr_vici_message_add (message, "hex", "0000002a");
  vr_vici_message_add (message, "word", "many");
  g_assert_cmpuint (vr_vici_message_get_number (message, "big", 10), ==, G_MAXUINT64);
  g_assert_cmpuint (vr_vici_message_get_number (message, "hex", 16), ==, 42);
  g_assert_cmpuint (vr_vici_message_get_number (message, "word", 10), ==, 0);
  g_assert_cmpuint (vr_vici_message_get_number (message, "none", 10), ==, 0);
}

static void
test_text_is_made_valid (void)
{
  static const guint8 bytes[] = { 1, 3, 2, 'k', 0xff, 0, 3, 'a', 0, 0xc3 };
  g_auto (VrViciPacket) packet = { 0 };
  const VrViciItem *item;
  const char *value;

  g_assert_true (vr_vici_packet_decode (bytes, sizeof bytes, &packet, NULL));
  item = vr_vici_message_item (packet.message, 0);
  value = ((const VrViciBlob *) item->values->pdata[0])->data;
  g_assert_true (g_utf8_validate (item->name, -1, NULL));
  g_assert_true (g_utf8_validate (value, -1, NULL));
  g_assert_cmpint (value[0], ==, 'a');
  g_assert_cmpuint (strlen (value), >, 1);
}

/* Each is a packet without its header. */
static const struct {
  const char *what;
  guint8      bytes[24];
  gsize       len;
} malformed[] = {
  { "nothing", { 0 }, 0 },
  { "unknown type", { 8 }, 1 },
  { "confirmation with contents", { 5, 0 }, 2 },
  { "event without a name", { 7 }, 1 },
  { "event with half a name", { 7, 5, 'i', 'k', 'e' }, 5 },
  { "unknown element", { 1, 7 }, 2 },
  { "element 0", { 1, 0 }, 2 },
  { "section that stays open", { 1, 1, 1, 's' }, 4 },
  { "section end at the top", { 1, 2 }, 2 },
  { "list that stays open", { 1, 4, 1, 'l' }, 4 },
  { "item outside a list", { 1, 5, 0, 1, 'a' }, 5 },
  { "list end outside a list", { 1, 6 }, 2 },
  { "list in a list", { 1, 4, 1, 'l', 4, 1, 'm', 6, 6 }, 9 },
  { "key in a list", { 1, 4, 1, 'l', 3, 1, 'k', 0, 0, 6 }, 10 },
  { "section end in a list", { 1, 1, 1, 's', 4, 1, 'l', 2, 2 }, 9 },
  { "value longer than what is left", { 1, 3, 1, 'k', 0xff, 0xff, 'v' }, 7 },
  { "half a value length", { 1, 3, 1, 'k', 0 }, 5 },
};

static void
test_malformed (gconstpointer data)
{
  gsize i = GPOINTER_TO_SIZE (data);
  g_auto (VrViciPacket) packet = { 0 };
  g_autoptr (GError) error = NULL;

  g_assert_false (vr_vici_packet_decode (malformed[i].bytes, malformed[i].len, &packet, &error));
  g_assert_error (error, VR_VICI_ERROR, VR_VICI_ERROR_PROTOCOL);
  g_assert_null (packet.message);
  g_assert_null (packet.name);
}

static void
test_deep (void)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_auto (VrViciPacket) packet = { 0 };

  g_byte_array_append (bytes, (const guint8 *) "\1", 1);
  for (guint i = 0; i < 100000; i++)
    g_byte_array_append (bytes, (const guint8 *) "\1\1s", 3);
  for (guint i = 0; i < 100000; i++)
    g_byte_array_append (bytes, (const guint8 *) "\2", 1);
  g_assert_false (vr_vici_packet_decode (bytes->data, bytes->len, &packet, NULL));
}

/* On its own heap block, so that a sanitizer sees a read past the end. */
static void
decode_copy (const guint8 *data, gsize len)
{
  g_autofree guint8 *copy = g_memdup2 (data, len);
  g_auto (VrViciPacket) packet = { 0 };

  vr_vici_packet_decode (copy, len, &packet, NULL);
}

static void
test_truncated (void)
{
  for (gsize len = 0; len < sizeof example_bytes - 4; len++)
    {
      g_auto (VrViciPacket) packet = { 0 };

      decode_copy (example_bytes + 4, len);
      /* whole elements at the top are a message, too */
      if (len != 5 && len != 17 && len != 45)
        g_assert_false (vr_vici_packet_decode (example_bytes + 4, len, &packet, NULL));
    }
}

static void
test_mutated (void)
{
  guint8 bytes[sizeof example_bytes - 4];

  for (gsize at = 0; at < sizeof bytes; at++)
    for (guint value = 0; value < 256; value++)
      {
        memcpy (bytes, example_bytes + 4, sizeof bytes);
        bytes[at] = (guint8) value;
        decode_copy (bytes, sizeof bytes);
      }
}

static void
test_random (void)
{
  for (guint round = 0; round < 20000; round++)
    {
      guint8 bytes[64];
      gsize len = (gsize) g_test_rand_int_range (1, sizeof bytes);

      bytes[0] = VR_VICI_CMD_RESPONSE;
      for (gsize i = 1; i < len; i++)
        bytes[i] = (guint8) g_test_rand_int_range (0, g_test_rand_bit () ? 8 : 256);
      decode_copy (bytes, len);
    }
}

static void
check (const VrViciMessage *message, gboolean good)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (vr_vici_message_check (message, "test", &error) == good);
  if (!good)
    g_assert_error (error, VR_VICI_ERROR, VR_VICI_ERROR_INVALID);
}

static void
test_limits (void)
{
  g_autofree char *name_255 = g_strnfill (255, 'n');
  g_autofree char *name_256 = g_strnfill (256, 'n');
  g_autofree char *value_65535 = g_strnfill (65535, 'v');
  g_autofree char *value_65536 = g_strnfill (65536, 'v');
  g_autoptr (VrViciMessage) good = vr_vici_message_new ();
  g_autoptr (VrViciMessage) empty_name = vr_vici_message_new ();
  g_autoptr (VrViciMessage) long_name = vr_vici_message_new ();
  g_autoptr (VrViciMessage) long_value = vr_vici_message_new ();
  g_autoptr (VrViciMessage) in_section = vr_vici_message_new ();
  g_autoptr (VrViciMessage) much = vr_vici_message_new ();

  vr_vici_message_add (good, name_255, value_65535);
  check (good, TRUE);
  vr_vici_message_add (empty_name, "", "v");
  check (empty_name, FALSE);
  vr_vici_message_add (long_name, name_256, "v");
  check (long_name, FALSE);
  vr_vici_message_add (long_value, "k", value_65536);
  check (long_value, FALSE);
  vr_vici_message_add_section (vr_vici_message_add_section (in_section, "s"), name_256);
  check (in_section, FALSE);
  for (guint i = 0; i < 8; i++)
    vr_vici_message_add (much, "k", value_65535);
  check (much, FALSE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/wire/encode", test_encode);
  g_test_add_func ("/wire/encode-register", test_encode_register);
  g_test_add_func ("/wire/decode", test_decode);
  g_test_add_func ("/wire/numbers", test_numbers);
  g_test_add_func ("/wire/text-is-made-valid", test_text_is_made_valid);
  for (gsize i = 0; i < G_N_ELEMENTS (malformed); i++)
    {
      g_autofree char *path = g_strdup_printf ("/wire/malformed/%s", malformed[i].what);

      g_test_add_data_func (path, GSIZE_TO_POINTER (i), test_malformed);
    }
  g_test_add_func ("/wire/deep", test_deep);
  g_test_add_func ("/wire/truncated", test_truncated);
  g_test_add_func ("/wire/mutated", test_mutated);
  g_test_add_func ("/wire/random", test_random);
  g_test_add_func ("/wire/limits", test_limits);
  return g_test_run ();
}
