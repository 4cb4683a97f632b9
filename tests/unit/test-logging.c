/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages and the fields that go with them, as the journal would get them. */
#include "daemon/logging.h"

static GString *written; /* "KEY=VALUE\n" of each field */

static GLogWriterOutput
write_fields (GLogLevelFlags level, const GLogField *fields, gsize n, gpointer data)
{
  for (gsize i = 0; i < n; i++)
    g_string_append_printf (written, "%s=%s\n", fields[i].key, (const char *) fields[i].value);
  return G_LOG_WRITER_HANDLED;
}

static void
assert_written (const char *expected)
{
  g_assert_cmpstr (written->str, ==, expected);
  g_string_truncate (written, 0);
}

static void
test_record (void)
{
  g_autoptr (VrRecord) record = vr_record_new ("d0000000-0000-4000-8000-00000000000d", "d");
  record->epoch = 3;
  record->state = VR_STATE_MOVED;
  record->owner = g_strdup ("h3");
  record->origin = g_strdup ("h1");
  vr_log (G_LOG_LEVEL_MESSAGE, &(VrLogFields) { .record = record }, "guest %s", "d");
  assert_written ("MESSAGE=guest d\nPRIORITY=5\nVIRT_RELAY_GUEST=d\nVIRT_RELAY_UUID=d0000000-0000-4000-8000-00000000000d\n"
                  "VIRT_RELAY_STATE=moved\nVIRT_RELAY_EPOCH=3\nVIRT_RELAY_OWNER=h3\nVIRT_RELAY_ORIGIN=h1\n");
}

static void
test_others (void)
{
  vr_log (G_LOG_LEVEL_WARNING, &(VrLogFields) { .peer = "h3", .address = "10.9.1.100", .about = "tunnel to h3" }, "%d%%", 100);
  assert_written ("MESSAGE=100%\nPRIORITY=4\nVIRT_RELAY_PEER=h3\nVIRT_RELAY_ADDRESS=10.9.1.100\nVIRT_RELAY_TROUBLE=tunnel to h3\n");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  written = g_string_new (NULL);
  g_log_set_writer_func (write_fields, NULL, NULL);
  g_test_add_func ("/logging/record", test_record);
  g_test_add_func ("/logging/others", test_others);
  int status = g_test_run ();
  g_string_free (written, TRUE);
  return status;
}
