/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Real domain XML, one file for each stage of a guest's life as libvirt's hooks got it (data/xml/README.md), against
 * the text beside it. VR_GOLDEN_UPDATE=1 writes the text anew: read the difference before you commit it.
 */
#include "xml/guest-xml.h"

#include <string.h>

static void
dump_addresses (GString *text, const char *what, const GPtrArray *addresses)
{
  for (guint i = 0; i < addresses->len; i++)
    g_string_append_printf (text, "%s %s\n", what, (const char *) g_ptr_array_index (addresses, i));
}

static void
dump_metadata (GString *text, const VrGuestMetadata *metadata)
{
  g_string_append_printf (text, "metadata home=%s owner=%s epoch=%" G_GUINT64_FORMAT "\n", metadata->home ? metadata->home : "-",
                          metadata->owner ? metadata->owner : "-", metadata->epoch);
  if (metadata->token)
    g_string_append_printf (text, "  token %s\n", metadata->token);
  for (guint i = 0; i < metadata->nics->len; i++)
    {
      const VrMetadataNic *nic = g_ptr_array_index (metadata->nics, i);

      g_string_append_printf (text, "  nic %s\n", nic->mac);
      dump_addresses (text, "    address", nic->addresses);
      dump_addresses (text, "    learned", nic->learned);
    }
}

static char *
dump_guest (const VrGuestXml *guest)
{
  GString *text = g_string_new (NULL);

  g_string_append_printf (text, "guest %s\nuuid %s\nid %s\n", guest->name, guest->uuid, guest->id >= 0 ? "yes" : "no");
  for (guint i = 0; i < guest->nics->len; i++)
    {
      const VrGuestNic *nic = g_ptr_array_index (guest->nics, i);

      g_string_append_printf (text, "nic %s %s (%s) network=%s bridge=%s target=%s addresses=%s\n", nic->mac,
                              vr_nic_type_to_string (nic->type), nic->type_name, nic->network ? nic->network : "-",
                              nic->bridge ? nic->bridge : "-", nic->target ? nic->target : "-",
                              vr_address_source_to_string (nic->source));
      dump_addresses (text, "  address", nic->addresses);
    }
  if (guest->metadata != NULL)
    dump_metadata (text, guest->metadata);
  for (guint i = 0; i < guest->warnings->len; i++)
    g_string_append_printf (text, "warning %s\n", (const char *) g_ptr_array_index (guest->warnings, i));
  return g_string_free (text, FALSE);
}

static void
test_file (gconstpointer data)
{
  const char *path = data;
  g_autofree char *expected_path = g_strdup_printf ("%.*s.txt", (int) (strlen (path) - strlen (".xml")), path);
  g_autofree char *xml = NULL, *expected = NULL, *actual = NULL;
  g_autoptr (VrGuestXml) guest = NULL;
  g_autoptr (GError) error = NULL;
  gsize len;

  g_assert_true (g_file_get_contents (path, &xml, &len, NULL));
  guest = vr_guest_xml_parse (xml, (gssize) len, &error);
  g_assert_no_error (error);
  actual = dump_guest (guest);
  if (g_getenv ("VR_GOLDEN_UPDATE") != NULL)
    g_assert_true (g_file_set_contents (expected_path, actual, -1, NULL));
  g_assert_true (g_file_get_contents (expected_path, &expected, NULL, NULL));
  g_assert_cmpstr (actual, ==, expected);
}

/* One test for each *.xml; gives how many. */
static guint
add_folder (const char *folder)
{
  g_autofree char *path = g_build_filename (g_getenv ("VR_TEST_DATA"), "xml", folder, NULL);
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;
  guint n = 0;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    if (g_str_has_suffix (name, ".xml"))
      {
        g_autofree char *test = g_strdup_printf ("/xml/golden/%s/%s", folder, name);

        g_test_add_data_func_full (test, g_build_filename (path, name, NULL), test_file, g_free);
        n++;
      }
  return n;
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  if (add_folder ("libvirt9") < 20 || add_folder ("libvirt11") < 20)
    g_error ("the golden files are not where they should be, in data/xml/");
  return g_test_run ();
}
