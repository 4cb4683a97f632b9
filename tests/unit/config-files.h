/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of virt-relay.conf share: a directory with the files that a configuration names, loading, and what it says. */
#pragma once

#include "daemon/config.h"

#include <glib/gstdio.h>
#include <string.h>

/* A directory with a secret and what a certificate needs; {DIR} in a configuration stands for it. */
typedef struct {
  char *dir;
} Files;

static inline void
write_file (const Files *files, const char *name, const char *content, gssize len, mode_t mode)
{
  g_autofree char *path = g_build_filename (files->dir, name, NULL);
  g_assert_true (g_file_set_contents (path, content, len, NULL));
  g_assert_cmpint (g_chmod (path, mode), ==, 0);
}

static inline void
files_set_up (Files *files, gconstpointer data)
{
  files->dir = g_dir_make_tmp ("test-config-XXXXXX", NULL);
  g_assert_nonnull (files->dir);
  write_file (files, "psk", "a secret of our own\n", -1, 0600);
  write_file (files, "cert.pem", "certificate", -1, 0644);
  write_file (files, "key.pem", "key", -1, 0600);
  write_file (files, "ca.pem", "ca", -1, 0644);
}

static inline void
files_tear_down (Files *files, gconstpointer data)
{
  g_autoptr (GDir) dir = g_dir_open (files->dir, 0, NULL);
  const char *name;
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (files->dir, name, NULL);
      g_assert_cmpint (g_remove (path), ==, 0);
    }
  g_assert_cmpint (g_rmdir (files->dir), ==, 0);
  g_free (files->dir);
}

static inline char *
expand (const Files *files, const char *text)
{
  g_auto (GStrv) parts = g_strsplit (text, "{DIR}", -1);
  return g_strjoinv (files->dir, parts);
}

static inline VrConfig *
load (const Files *files, const char *text, GError **error)
{
  g_autofree char *expanded = expand (files, text);
  return vr_config_load_data (expanded, strlen (expanded), "test.conf", error);
}

static inline VrConfig *
load_ok (const Files *files, const char *text)
{
  g_autoptr (GError) error = NULL;
  VrConfig *config = load (files, text, &error);
  g_assert_no_error (error);
  g_assert_nonnull (config);
  return config;
}

/* A message that ends in "..." is compared up to there: the rest is GLib's, or that of a check in daemon/model. */
static inline void
assert_fails (const Files *files, const char *text, const char *expected)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VrConfig) config = load (files, text, &error);
  g_autofree char *message = expand (files, expected);
  g_assert_null (config);
  g_assert_error (error, VR_CONFIG_ERROR, VR_CONFIG_ERROR_INVALID);
  if (g_str_has_suffix (message, "..."))
    {
      message[strlen (message) - strlen ("...")] = '\0';
      error->message[MIN (strlen (error->message), strlen (message))] = '\0';
    }
  g_assert_cmpstr (error->message, ==, message);
}

#define HOST "[host]\nname = h1\nunderlay = 192.0.2.1\n"
#define PSK "[tunnel]\npsk-file = {DIR}/psk\n"
#define LEAST HOST PSK
#define ETCD(endpoints) LEAST "[log]\nengine = etcd\nendpoints = " endpoints "\n"

static inline char *
joined (char **list)
{
  return g_strjoinv (" ", list);
}

#define assert_list(list, expected) \
  G_STMT_START { g_autofree char *text_ = joined (list); g_assert_cmpstr (text_, ==, expected); } G_STMT_END

#define ADD(path, function) g_test_add ("/config/" path, Files, NULL, files_set_up, function, files_tear_down)
