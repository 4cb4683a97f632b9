/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tunnel-pair.h"

#include <string.h>

/* ---- a kernel ---- */

G_DEFINE_FINAL_TYPE (VrKernel, vr_kernel, G_TYPE_OBJECT)

static void
vr_kernel_finalize (GObject *object)
{
  g_hash_table_unref (VR_KERNEL (object)->links);
  G_OBJECT_CLASS (vr_kernel_parent_class)->finalize (object);
}

static void
vr_kernel_class_init (VrKernelClass *class)
{
  G_OBJECT_CLASS (class)->finalize = vr_kernel_finalize;
}

static void
vr_kernel_init (VrKernel *kernel)
{
  kernel->links = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
}

gboolean
vr_kernel_ensure_xfrm (VrKernel *kernel, const char *name, guint32 if_id, const char *alias, guint32 mtu,
                       GError **error)
{
  if (kernel->broken)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED, "the kernel knows no XFRM interfaces");
      return FALSE;
    }
  g_hash_table_insert (kernel->links, g_strdup (name), g_strdup_printf ("%u %s", if_id, alias));
  return TRUE;
}

gboolean
vr_kernel_remove_link (VrKernel *kernel, const char *name, GError **error)
{
  g_hash_table_remove (kernel->links, name);
  return TRUE;
}

GPtrArray *
vr_kernel_our_links (VrKernel *kernel)
{
  GPtrArray     *names = g_ptr_array_new_with_free_func (g_free);
  GHashTableIter iter;
  gpointer       name;

  g_hash_table_iter_init (&iter, kernel->links);
  while (g_hash_table_iter_next (&iter, &name, NULL))
    g_ptr_array_add (names, g_strdup (name));
  return names;
}

/* ---- two hosts ---- */

static VrHost *
record (const char *name, const char *address)
{
  VrHost *host = vr_host_new (name);

  g_strfreev (host->underlay);
  host->underlay = g_strsplit (address, " ", -1);
  g_free (host->identity);
  host->identity = g_strconcat (name, ".virt-relay", NULL);
  return host;
}

static void
on_changed (VrTunnels *tunnels, const char *peer, Host *host)
{
  host->n_changed++;
}

static void
on_log (VrVici *vici, const char *ike, guint64 unique_id, const char *line, Host *host)
{
  if (g_str_has_prefix (line, "initiating IKE_SA"))
    host->n_tries++;
}

void
daemon_start (Host *host)
{
  host->tunnels = vr_tunnels_new (host->kernel, &host->config);
  g_signal_connect (host->tunnels, "changed", G_CALLBACK (on_changed), host);
  vr_tunnels_start (host->tunnels);
}

void
daemon_stop (Host *host)
{
  VrTunnels *tunnels = host->tunnels;

  vr_tunnels_stop (tunnels);
  g_object_add_weak_pointer (G_OBJECT (tunnels), (gpointer *) &host->tunnels);
  g_object_unref (tunnels);
  WAIT_FOR (host->tunnels == NULL);
}

static void
host_init (Host *host, guint number)
{
  host->name = number == 0 ? "h1" : "h2";
  host->charon = charon_new (number);
  host->kernel = g_object_new (VR_TYPE_KERNEL, NULL);
  host->config = (VrConfig) {
    .host = record (host->name, host->charon->address),
    .auth = VR_AUTH_PSK,
    .psk = g_strdup ("a secret of all hosts"),
    .vici_uri = host->charon->uri,
    .proposals = (char *) "aes256gcm16-prfsha384-ecp384, aes256gcm16-prfsha384-ecp256",
    .esp_proposals = (char *) "aes256gcm16-ecp384 aes256gcm16",
    .dpd_delay_s = 600, /* longer than a test stops a charon: these give up asking within seconds */
    .takeover_delay_s = 20, /* longer than the other side may take */
  };
}

static void
host_start (Host *host)
{
  charon_start (host->charon);
  host->watched = watched_new_connected (host->charon->uri, PATIENT_MS);
  g_signal_connect (host->watched->vici, "log", G_CALLBACK (on_log), host);
}

static void
host_clear (Host *host)
{
  if (host->tunnels != NULL)
    daemon_stop (host);
  g_signal_handlers_disconnect_by_data (host->watched->vici, host);
  g_clear_pointer (&host->watched, watched_free);
  charon_free (host->charon);
  g_object_unref (host->kernel);
  vr_host_unref (host->config.host);
  g_free (host->config.psk);
}

void
pair_up (Pair *pair, gconstpointer data)
{
  host_init (&pair->h1, 0);
  host_init (&pair->h2, 1);
  charon_connect (pair->h1.charon, pair->h2.charon);
  host_start (&pair->h1);
  host_start (&pair->h2);
  daemon_start (&pair->h1);
  daemon_start (&pair->h2);
}

void
pair_down (Pair *pair, gconstpointer data)
{
  host_clear (&pair->h1);
  host_clear (&pair->h2);
}

static Host *
other (Pair *pair, Host *host)
{
  return host == &pair->h1 ? &pair->h2 : &pair->h1;
}

void
want_at (Host *host, const char *peer, VrTunnelWish wish, const char *address)
{
  g_autoptr (GPtrArray) wanted = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_tunnel_free);
  VrTunnel             *tunnel = g_new0 (VrTunnel, 1);

  tunnel->peer = g_strdup (peer);
  tunnel->dev = vr_tunnel_dev (peer);
  tunnel->if_id = vr_tunnel_if_id (peer);
  tunnel->wish = wish;
  tunnel->host = record (peer, address);
  g_ptr_array_add (wanted, tunnel);
  vr_tunnels_want (host->tunnels, wanted);
}

void
want (Pair *pair, Host *host, VrTunnelWish wish)
{
  Host *peer = other (pair, host);

  want_at (host, peer->name, wish, peer->charon->address);
}

void
want_nobody (Host *host)
{
  g_autoptr (GPtrArray) nobody = g_ptr_array_new ();

  vr_tunnels_want (host->tunnels, nobody);
}

gboolean
is_up (Pair *pair, Host *host)
{
  return vr_tunnels_is_up (host->tunnels, other (pair, host)->name);
}

gboolean
both_up (Pair *pair)
{
  return is_up (pair, &pair->h1) && is_up (pair, &pair->h2);
}

gboolean
both_down (Pair *pair)
{
  return !is_up (pair, &pair->h1) && !is_up (pair, &pair->h2);
}

const char *
trouble (Pair *pair, Host *host)
{
  return vr_tunnels_trouble (host->tunnels, other (pair, host)->name);
}

gboolean
trouble_says (Pair *pair, Host *host, const char *part)
{
  const char *text = trouble (pair, host);

  return text != NULL && strstr (text, part) != NULL;
}

void
bring_up (Pair *pair)
{
  want (pair, &pair->h2, VR_TUNNEL_FOLLOW);
  want (pair, &pair->h1, VR_TUNNEL_INITIATE);
  WAIT_FOR (both_up (pair));
}

guint
n_sas (Host *host)
{
  g_autoptr (GPtrArray) sas = list_sas (host->watched->vici, NULL);

  return sas->len;
}

guint64
only_sa (Host *host)
{
  g_autoptr (GPtrArray) sas = list_sas (host->watched->vici, NULL);

  g_assert_cmpuint (sas->len, ==, 1);
  return ((VrViciIkeSa *) sas->pdata[0])->unique_id;
}

gboolean
has_conn (Host *host, const char *name)
{
  g_auto (GStrv) conns = list_conns (host->watched->vici);

  return g_strv_contains ((const char *const *) conns, name);
}

void
swanctl (Host *host, const char *command)
{
  const char *argv[] = { host->charon->swanctl, command, "--uri", host->charon->uri, NULL };
  g_autofree char *conf = g_build_filename (host->charon->dir, "swanctl.conf", NULL);
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_SILENCE);
  g_autoptr (GSubprocess) process = NULL;
  g_autoptr (GError) error = NULL;

  g_file_set_contents (conf, "# nothing\n", -1, &error);
  g_assert_no_error (error);
  g_subprocess_launcher_setenv (launcher, "SWANCTL_DIR", host->charon->dir, TRUE);
  process = g_subprocess_launcher_spawnv (launcher, argv, &error);
  g_assert_no_error (error);
  g_subprocess_wait_check (process, NULL, &error);
  g_assert_no_error (error);
}
