/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The values of virt-relay.conf that name files: the secret, certificates, keys. */
#include <errno.h>
#include <fcntl.h>
#include <gio/gunixinputstream.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/config-store.h"
#include "daemon/config-values.h"

#define MAX_PSK 4096 /* bytes */
#define MAKE_PSK "(umask 077; head -c 32 /dev/urandom | base64 > %s)"

/* What is looked at is the file that was opened, not whatever bears its name a moment later. */
static gboolean
check_open_file (int fd, const char *path, gboolean secret, GError **error)
{
  struct stat info;
  if (fstat (fd, &info) < 0)
    return vr_config_invalid (error, "cannot look at %s: %s", path, g_strerror (errno));
  if (!S_ISREG (info.st_mode))
    return vr_config_invalid (error, "%s is not a file", path);
  if (secret && info.st_uid != 0 && info.st_uid != geteuid ())
    return vr_config_invalid (error, "%s holds a secret and belongs to user %u: chown root %s", path, info.st_uid, path);
  if (secret && (info.st_mode & 077) != 0)
    return vr_config_invalid (error, "%s holds a secret and others may read or write it (mode %04o): chmod 600 %s", path,
                              info.st_mode & 07777, path);
  return TRUE;
}

/* (transfer full), or NULL with an error. */
static GInputStream *
open_file (const char *path, gboolean secret, GError **error)
{
  if (!g_path_is_absolute (path))
    {
      vr_config_invalid (error, "\"%s\" is not an absolute path", path);
      return NULL;
    }

  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK); /* a FIFO must not hold us up */
  if (fd < 0)
    {
      vr_config_invalid (error, "cannot read %s: %s", path, g_strerror (errno));
      return NULL;
    }
  g_autoptr (GInputStream) stream = g_unix_input_stream_new (fd, TRUE);
  return check_open_file (fd, path, secret, error) ? g_steal_pointer (&stream) : NULL;
}

gboolean
vr_config_read_psk_file (const char *text, gpointer field, GError **error)
{
  g_autoptr (GInputStream) stream = open_file (text, TRUE, error);
  if (stream == NULL)
    return FALSE;

  char buffer[MAX_PSK + 2]; /* the newline may come on top, and one byte more shows that there is too much */
  gsize len = 0;
  g_autoptr (GError) why = NULL;
  if (!g_input_stream_read_all (stream, buffer, sizeof buffer, &len, NULL, &why))
    return vr_config_invalid (error, "cannot read %s: %s", text, why->message);
  if (len > 0 && buffer[len - 1] == '\n')
    len--;
  if (len > MAX_PSK)
    return vr_config_invalid (error, "%s holds more than %d bytes: that is no shared secret", text, MAX_PSK);
  if (len == 0)
    return vr_config_invalid (error, "%s is empty: make a secret with " MAKE_PSK " and copy it to every host", text, text);
  if (memchr (buffer, '\0', len) != NULL)
    return vr_config_invalid (error, "%s holds a NUL byte: write the secret as text, as " MAKE_PSK " does", text, text);
  return vr_config_store_text (field, g_strndup (buffer, len));
}

gboolean
vr_config_read_public_file (const char *text, gpointer field, GError **error)
{
  g_autoptr (GInputStream) stream = open_file (text, FALSE, error);
  return stream != NULL && vr_config_store_text (field, g_strdup (text));
}

gboolean
vr_config_read_private_file (const char *text, gpointer field, GError **error)
{
  g_autoptr (GInputStream) stream = open_file (text, TRUE, error);
  return stream != NULL && vr_config_store_text (field, g_strdup (text));
}
