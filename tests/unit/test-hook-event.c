/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The format of hooks/event.h, read. */
#include "hook-test.h"

#define HEAD VR_EVENT_MAGIC "\n"
#define GUEST "guest: d\n"
#define OPERATION "operation: migrate\n"
#define SUB "sub-operation: begin\n"
#define REASON "reason: -\n"
#define TIME "time: 1700000000000001\n"
#define LENGTH "length: 4\n"
#define ALL GUEST OPERATION SUB REASON TIME LENGTH

static void
assert_refused_bytes (const char *text, gsize len, VrHookEventErrorCode code, const char *part)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VrHookEvent) event = vr_hook_event_parse (text, len, &error);

  g_assert_null (event);
  g_assert_error (error, VR_HOOK_EVENT_ERROR, (int) code);
  g_assert_nonnull (strstr (error->message, part));
}

static void
assert_refused (const char *text, VrHookEventErrorCode code, const char *part)
{
  assert_refused_bytes (text, strlen (text), code, part);
}

static VrHookEvent *
assert_taken (const char *text)
{
  g_autoptr (GError) error = NULL;
  VrHookEvent *event = vr_hook_event_parse (text, strlen (text), &error);

  g_assert_no_error (error);
  return event;
}

static void
test_whole (void)
{
  g_autoptr (VrHookEvent) event = assert_taken (HEAD ALL "\n<a/>");

  g_assert_cmpstr (event->guest, ==, "d");
  g_assert_cmpint (event->operation, ==, VR_HOOK_MIGRATE);
  g_assert_cmpstr (event->sub_operation, ==, "begin");
  g_assert_cmpstr (event->reason, ==, "-");
  g_assert_cmpint (event->time_us, ==, 1700000000000001);
  g_assert_cmpstr (event->xml, ==, "<a/>");
  g_assert_cmpuint (event->xml_len, ==, 4);
}

static void
test_any_order_and_unknown_keys (void)
{
  g_autoptr (VrHookEvent) event = assert_taken (HEAD LENGTH TIME "pid: 7\n" REASON SUB OPERATION GUEST "\n<a/>");

  g_assert_cmpstr (event->guest, ==, "d");
}

static void
test_escaped_value (void)
{
  g_autoptr (VrHookEvent) event = assert_taken (HEAD "guest: a b%0A%25: ä%7f\n" OPERATION SUB REASON TIME LENGTH "\n<a/>");

  g_assert_cmpstr (event->guest, ==, "a b\n%: ä\x7f");
}

/* XML may hold anything, what looks like a header too. */
static void
test_xml_is_not_looked_at (void)
{
  g_autoptr (VrHookEvent) event = assert_taken (HEAD GUEST OPERATION SUB REASON TIME "length: 10\n" "\n\nguest: x\n");

  g_assert_cmpstr (event->xml, ==, "\nguest: x\n");
}

static void
test_every_operation (void)
{
  static const char *const words[] = { "prepare", "start", "started", "stopped", "release", "migrate", "restore", "reconnect", "attach" };
  gboolean seen[VR_HOOK_N_OPERATIONS] = { FALSE };
  VrHookOperation operation;

  g_assert_cmpuint (G_N_ELEMENTS (words), ==, VR_HOOK_N_OPERATIONS);
  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    {
      g_assert_true (vr_hook_operation_from_string (words[i], &operation));
      g_assert_cmpstr (vr_hook_operation_to_string (operation), ==, words[i]);
      g_assert_false (seen[operation]);
      seen[operation] = TRUE;
    }
  g_assert_false (vr_hook_operation_from_string ("Migrate", &operation));
}

static void
test_missing_key (void)
{
  static const char *const lines[] = { GUEST, OPERATION, SUB, REASON, TIME, LENGTH };

  for (guint missing = 0; missing < G_N_ELEMENTS (lines); missing++)
    {
      g_autoptr (GString) text = g_string_new (HEAD);

      for (guint i = 0; i < G_N_ELEMENTS (lines); i++)
        g_string_append (text, i == missing ? "" : lines[i]);
      g_string_append (text, "\n<a/>");
      assert_refused (text->str, VR_HOOK_EVENT_ERROR_FORMAT, "the header has no");
    }
}

static void
test_bad_header (void)
{
  assert_refused ("virt-relay-event 2\n" ALL "\n<a/>", VR_HOOK_EVENT_ERROR_FORMAT, "does not begin with");
  assert_refused (HEAD GUEST ALL "\n<a/>", VR_HOOK_EVENT_ERROR_FORMAT, "“guest” twice");
  assert_refused (HEAD "nonsense\n" ALL "\n<a/>", VR_HOOK_EVENT_ERROR_FORMAT, "key: value");
  assert_refused (HEAD "guest: \n" OPERATION SUB REASON TIME LENGTH "\n<a/>", VR_HOOK_EVENT_ERROR_FORMAT, "name is empty");
  assert_refused (HEAD "operation: explode\n" GUEST SUB REASON TIME LENGTH "\n<a/>", VR_HOOK_EVENT_ERROR_FORMAT, "“explode”");
}

static void
test_bad_escape (void)
{
  static const char *const values[] = { "%", "%1", "%zz", "a%", "%00", "\xe4", "%e4" };

  for (guint i = 0; i < G_N_ELEMENTS (values); i++)
    {
      g_autofree char *text = g_strdup_printf (HEAD "guest: %s\n" OPERATION SUB REASON TIME LENGTH "\n<a/>", values[i]);

      assert_refused (text, VR_HOOK_EVENT_ERROR_FORMAT, "“guest” is not escaped UTF-8");
    }
}

static void
test_bad_numbers (void)
{
  static const char *const numbers[] = { "", "-1", "+1", " 1", "1 ", "0x10", "1.5", "9223372036854775808000" };

  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
    {
      g_autofree char *time = g_strdup_printf (HEAD GUEST OPERATION SUB REASON LENGTH "time: %s\n\n<a/>", numbers[i]);
      g_autofree char *length = g_strdup_printf (HEAD GUEST OPERATION SUB REASON TIME "length: %s\n\n<a/>", numbers[i]);

      assert_refused (time, VR_HOOK_EVENT_ERROR_FORMAT, "the time");
      assert_refused (length, VR_HOOK_EVENT_ERROR_FORMAT, "the length");
    }
}

static void
test_truncated_anywhere (void)
{
  const char *text = HEAD ALL "\n<a/>";

  for (gsize cut = 0; cut < strlen (text); cut++)
    {
      g_autofree char *part = g_memdup2 (text, cut + 1);

      assert_refused_bytes (part, cut, VR_HOOK_EVENT_ERROR_TRUNCATED, "");
    }
}

static void
test_too_long (void)
{
  assert_refused (HEAD ALL "\n<a/>\n", VR_HOOK_EVENT_ERROR_FORMAT, "1 bytes follow");
}

static void
test_too_large_xml (void)
{
  assert_refused (HEAD GUEST OPERATION SUB REASON TIME "length: 16777217\n\n<a/>", VR_HOOK_EVENT_ERROR_TOO_LARGE, "16777217");
}

static void
test_too_large_header (void)
{
  g_autofree char *value = g_strnfill (VR_EVENT_MAX_HEADER, 'x');
  g_autofree char *text = g_strdup_printf (HEAD "guest: %s\n" OPERATION SUB REASON TIME LENGTH "\n<a/>", value);

  assert_refused (text, VR_HOOK_EVENT_ERROR_TOO_LARGE, "header");
}

static void
test_identity (void)
{
  static const char *const same[] = { HEAD ALL "\n<a/>", HEAD ALL "\n<b/>" };
  static const char *const others[] = {
    HEAD "guest: e\n" OPERATION SUB REASON TIME LENGTH "\n<a/>",
    HEAD GUEST "operation: start\n" SUB REASON TIME LENGTH "\n<a/>",
    HEAD GUEST OPERATION "sub-operation: end\n" REASON TIME LENGTH "\n<a/>",
    HEAD GUEST OPERATION SUB REASON "time: 1700000000000002\n" LENGTH "\n<a/>",
  };
  g_autoptr (VrHookEvent) first = assert_taken (same[0]), second = assert_taken (same[1]);
  g_autofree char *identity = vr_hook_event_identity (first), *repeated = vr_hook_event_identity (second);

  g_assert_cmpstr (identity, ==, repeated);
  for (guint i = 0; i < G_N_ELEMENTS (others); i++)
    {
      g_autoptr (VrHookEvent) event = assert_taken (others[i]);
      g_autofree char *other = vr_hook_event_identity (event);

      g_assert_cmpstr (identity, !=, other);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/hook-event/whole", test_whole);
  g_test_add_func ("/hook-event/any-order", test_any_order_and_unknown_keys);
  g_test_add_func ("/hook-event/escaped", test_escaped_value);
  g_test_add_func ("/hook-event/xml", test_xml_is_not_looked_at);
  g_test_add_func ("/hook-event/operations", test_every_operation);
  g_test_add_func ("/hook-event/missing-key", test_missing_key);
  g_test_add_func ("/hook-event/bad-header", test_bad_header);
  g_test_add_func ("/hook-event/bad-escape", test_bad_escape);
  g_test_add_func ("/hook-event/bad-numbers", test_bad_numbers);
  g_test_add_func ("/hook-event/truncated", test_truncated_anywhere);
  g_test_add_func ("/hook-event/too-long", test_too_long);
  g_test_add_func ("/hook-event/too-large-xml", test_too_large_xml);
  g_test_add_func ("/hook-event/too-large-header", test_too_large_header);
  g_test_add_func ("/hook-event/identity", test_identity);
  return g_test_run ();
}
