/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Settings under /proc/sys/net. The value found is remembered before ours is written, and put back when it is no longer
 * wanted. A setting of an interface that is not there is left out; when the interface is back it holds the kernel's
 * default again and is set anew.
 */
#include "sync.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define ROOT "/proc/sys/"

/* (transfer full) without the final newline; NULL: errno says why */
static char *
read_value (const char *path)
{
  g_autofree char *file = g_strconcat (ROOT, path, NULL);
  char   buffer[256];
  gssize got;
  int    fd = open (file, O_RDONLY | O_CLOEXEC);

  if (fd < 0)
    return NULL;
  got = read (fd, buffer, sizeof buffer - 1);
  close (fd);
  if (got < 0)
    return NULL;
  buffer[got] = '\0';
  return g_strdup (g_strchomp (buffer));
}

static gboolean
write_value (const char *path, const char *value, GError **error)
{
  g_autofree char *file = g_strconcat (ROOT, path, NULL);
  gsize    size = strlen (value);
  int      fd = open (file, O_WRONLY | O_CLOEXEC);
  gboolean ok = fd >= 0 && write (fd, value, size) == (gssize) size;
  int      saved = errno;

  if (fd >= 0)
    close (fd);
  if (ok)
    return TRUE;
  g_set_error (error, VR_KERNEL_ERROR, VR_KERNEL_ERROR_SYSCTL, "cannot set sysctl %s = %s: %s%s", path, value,
               g_strerror (saved),
               saved == EROFS || saved == EACCES || saved == EPERM
                   ? "; /proc/sys must be writable for the daemon (a unit's ProtectKernelTunables= must be off)"
                   : "");
  return FALSE;
}

/* The plan's own paths only: nothing outside net/, no way up. */
static gboolean
fit (const VrSysctl *sysctl)
{
  return g_str_has_prefix (sysctl->path, "net/") && strstr (sysctl->path, "/../") == NULL
         && !g_str_has_suffix (sysctl->path, "/..");
}

/* What is there other than wanted: remembers its value. TRUE: it is to be written. */
static gboolean
remember (VrSync *sync, const VrSysctl *sysctl)
{
  g_autofree char *value = NULL;

  if (!fit (sysctl))
    {
      vr_trouble_take (sync->trouble,
                       g_error_new (VR_KERNEL_ERROR, VR_KERNEL_ERROR_SYSCTL,
                                    "malformed item: sysctl %s: only paths under net/ are set", sysctl->path));
      return FALSE;
    }
  value = read_value (sysctl->path);
  if (value == NULL)
    {
      if (errno != ENOENT)
        vr_trouble_take (sync->trouble, g_error_new (VR_KERNEL_ERROR, VR_KERNEL_ERROR_SYSCTL, "cannot read sysctl %s: %s",
                                                     sysctl->path, g_strerror (errno)));
      vr_kernel_state_set_sysctl (sync->state, sysctl->path, NULL);
      return FALSE;
    }
  if (g_str_equal (value, sysctl->value))
    return FALSE;
  if (vr_kernel_state_sysctl (sync->state, sysctl->path) == NULL)
    vr_kernel_state_set_sysctl (sync->state, sysctl->path, value);
  return TRUE;
}

/* `ours`: the item's value, which is reported */
static void
write_and_report (VrSync *sync, char sign, const char *path, const char *value, const char *ours)
{
  GError *error = NULL;

  if (!write_value (path, value, &error))
    vr_trouble_take (sync->trouble, error);
  else if (sync->changes != NULL)
    g_ptr_array_add (sync->changes, g_strdup_printf ("%c sysctl %s = %s", sign, path, ours));
}

void
vr_sync_sysctls (VrSync *sync, GPtrArray *wanted)
{
  g_autoptr (GPtrArray) differ = g_ptr_array_new ();
  GError *error = NULL;

  for (guint i = 0; i < wanted->len; i++)
    if (remember (sync, wanted->pdata[i]))
      g_ptr_array_add (differ, wanted->pdata[i]);
  if (!vr_kernel_state_save (sync->state, &error))
    {
      g_prefix_error (&error, "cannot remember what sysctls held before, leaving them alone: ");
      vr_trouble_take (sync->trouble, error);
      return;
    }
  for (guint i = 0; i < differ->len; i++)
    {
      const VrSysctl *sysctl = differ->pdata[i];

      write_and_report (sync, '+', sysctl->path, sysctl->value, sysctl->value);
    }
}

static gboolean
is_wanted (GPtrArray *wanted, const char *path)
{
  for (guint i = 0; i < wanted->len; i++)
    if (g_str_equal (((const VrSysctl *) wanted->pdata[i])->path, path))
      return TRUE;
  return FALSE;
}

void
vr_unsync_sysctls (VrSync *sync, GPtrArray *wanted)
{
  g_autoptr (GPtrArray) paths = vr_kernel_state_sysctls (sync->state);

  for (guint i = 0; i < paths->len; i++)
    {
      g_autofree char *path = g_strdup (paths->pdata[i]);
      g_autofree char *former = g_strdup (vr_kernel_state_sysctl (sync->state, path));
      g_autofree char *value = NULL;

      if (is_wanted (wanted, path))
        continue;
      value = read_value (path);
      if (value != NULL && !g_str_equal (value, former))
        write_and_report (sync, '-', path, former, value);
      vr_kernel_state_set_sysctl (sync->state, path, NULL);
    }
}
