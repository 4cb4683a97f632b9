/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stands in for libFuzzer in an ordinary build: feeds every file of the folders on the command line to the harness,
 * as it is and in ROUNDS damaged forms, always the same ones. One TAP test a folder.
 */
#include <glib.h>
#include <string.h>

#define ROUNDS 200

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

/* Overwrites a few bytes, and in half of the rounds cuts the end off or doubles a part. */
static void
damage (GByteArray *bytes, GRand *random)
{
  for (gint i = g_rand_int_range (random, 1, 6); i > 0 && bytes->len > 0; i--)
    bytes->data[g_rand_int_range (random, 0, (gint) bytes->len)] = (guint8) g_rand_int_range (random, 0, 256);
  if (bytes->len > 1 && g_rand_boolean (random))
    {
      guint from = (guint) g_rand_int_range (random, 0, (gint) bytes->len), len = MIN (bytes->len - from, 64);
      guint8 part[64];

      memcpy (part, bytes->data + from, len);
      if (g_rand_boolean (random))
        g_byte_array_set_size (bytes, from);
      else
        g_byte_array_append (bytes, part, len);
    }
}

static void
feed_file (const char *path)
{
  g_autoptr (GRand) random = g_rand_new_with_seed (1);
  g_autofree char *data = NULL;
  gsize len;

  g_assert_true (g_file_get_contents (path, &data, &len, NULL));
  LLVMFuzzerTestOneInput ((const guint8 *) data, len);
  for (guint round = 0; round < ROUNDS; round++)
    {
      g_autoptr (GByteArray) bytes = g_byte_array_new ();
      g_autofree guint8 *exact = NULL; /* of just this size, so that a read beyond the end is one beyond the block */

      g_byte_array_append (bytes, (const guint8 *) data, (guint) len);
      damage (bytes, random);
      exact = g_memdup2 (bytes->data, bytes->len);
      LLVMFuzzerTestOneInput (exact != NULL ? exact : (const guint8 *) "", bytes->len);
    }
}

static void
test_folder (gconstpointer data)
{
  g_autoptr (GDir) dir = g_dir_open (data, 0, NULL);
  const char *name;
  guint n = 0;

  g_assert_nonnull (dir);
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (data, name, NULL);

      feed_file (path);
      n++;
    }
  g_assert_cmpuint (n, >, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (int i = 1; i < argc; i++)
    {
      g_autofree char *base = g_path_get_basename (argv[i]), *test = g_strdup_printf ("/fuzz/%s", base);

      g_test_add_data_func (test, argv[i], test_folder);
    }
  return g_test_run ();
}
