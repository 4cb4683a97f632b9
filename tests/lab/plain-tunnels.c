/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * daemon/tunnel/tunnels.h without IPsec, for the native form of the lab, where the kernel has no ESP: a plain interface for each peer,
 * under the tunnel's name, to the peer's first IPv4 underlay address. Nothing is encrypted. A tunnel is up while either side wishes it
 * up, as one that charon negotiated: each side says so by a file h2-h3 (it, then the other) in $LAB_PLAIN, which all hosts of the
 * lab see. A file h2-h3.down, in whichever order, takes it down on both.
 *
 * Routes say "ADDRESS dev vr-PEER" with no gateway, so the interface has to behave as a layer-3 one, for IPv4 and IPv6, and the
 * kernel has to do the forwarding, as with the real one: what is measured is then the same path. Such kernels have no ipip, gre, sit or
 * ip6tnl either; what they have is VXLAN, which is Ethernet:
 *
 *  - "arp off": the kernel asks nobody for a MAC; frames go out with the interface's own one as destination.
 *  - At the other end that is somebody else's MAC, and IP would drop the frame for it. A rule of nftables at the interface's ingress says that
 *    all that arrives is for this host. (Giving both ends the same MAC would do, if VXLAN did not drop frames from its own MAC.)
 *
 * The interface is made by ip(8) and nft(8), and waited for: milliseconds, once for each peer.
 */
#include "daemon/tunnel/tunnels.h"

#include <gio/gio.h>
#include <net/if.h>
#include <stdio.h>

#include "daemon/model/address.h"
#include "daemon/names.h"

#define PORT "4789"
#define MTU "1450" /* 1500 less VXLAN's outer headers */
#define NFT_TABLE "virt-relay-plain"

typedef struct {
  char    *name, *dev, *trouble;
  gboolean wanted, wished, there, up;
  gint64   up_since;
} Peer;

struct _VrTunnels {
  GObject         parent_instance;
  VrKernel       *kernel;
  const VrConfig *config;
  GHashTable     *peers;   /* name -> Peer */
  GHashTable     *changed; /* set of names to tell about */
  gboolean        planned;
  guint           idle;
  GFileMonitor   *monitor; /* of $LAB_PLAIN */
};

G_DEFINE_FINAL_TYPE (VrTunnels, vr_tunnels, G_TYPE_OBJECT)

static guint changed_signal;

static void
peer_free (gpointer data)
{
  Peer *peer = data;

  g_free (peer->name);
  g_free (peer->dev);
  g_free (peer->trouble);
  g_free (peer);
}

/* ---- the interface ---- */

/* Words are separated by spaces. */
static gboolean G_GNUC_PRINTF (2, 3)
command (GError **error, const char *format, ...)
{
  g_autofree char *line = NULL, *complaint = NULL;
  g_auto (GStrv)   argv = NULL;
  va_list          args;
  int              status;

  va_start (args, format);
  line = g_strdup_vprintf (format, args);
  va_end (args);
  argv = g_strsplit (line, " ", -1);
  if (!g_spawn_sync (NULL, argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, &complaint, &status, error))
    return FALSE;
  if (g_spawn_check_wait_status (status, NULL))
    return TRUE;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s: %s", line, g_strchomp (complaint));
  return FALSE;
}

/* All that arrives there is for this host. One transaction; a chain of an interface of the same name before may still be there. */
static gboolean
accept_frames (const char *dev, GError **error)
{
  g_autofree char *rules = g_strdup_printf ("add table netdev " NFT_TABLE "\n"
                                            "add chain netdev " NFT_TABLE " %s\n"
                                            "delete chain netdev " NFT_TABLE " %s\n"
                                            "add chain netdev " NFT_TABLE " %s { type filter hook ingress device \"%s\" priority 0; }\n"
                                            "add rule netdev " NFT_TABLE " %s meta pkttype set host\n", dev, dev, dev, dev, dev);
  const char      *argv[] = { "nft", rules, NULL };
  g_autofree char *complaint = NULL;
  int              status;

  if (!g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, &complaint, &status, error))
    return FALSE;
  if (g_spawn_check_wait_status (status, NULL))
    return TRUE;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "nft: %s", g_strchomp (complaint));
  return FALSE;
}

static const char *
first_v4 (char **addresses)
{
  for (char **address = addresses; *address != NULL; address++)
    if (!vr_address_is_v6 (*address))
      return *address;
  return NULL;
}

/* The same at both ends. */
static guint
vxlan_id (const char *a, const char *b)
{
  gboolean         in_order = strcmp (a, b) < 0;
  g_autofree char *both = g_strdup_printf ("%s %s", in_order ? a : b, in_order ? b : a);

  return g_str_hash (both) & 0xffffff;
}

static gboolean
make_link (VrTunnels *self, const VrTunnel *tunnel, GError **error)
{
  const VrHost *own = self->config->host;
  const char   *local = first_v4 (own->underlay), *remote = first_v4 (tunnel->host->underlay);

  if (if_nametoindex (tunnel->dev) != 0)
    return TRUE; /* of a daemon before this one */
  if (local == NULL || remote == NULL)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED, "no IPv4 underlay address of %s", local == NULL ? own->name : tunnel->peer);
      return FALSE;
    }
  if (!command (error, "ip link add %s mtu " MTU " type vxlan id %u local %s remote %s dstport " PORT " nolearning",
                tunnel->dev, vxlan_id (own->name, tunnel->peer), local, remote))
    return FALSE;
  if (accept_frames (tunnel->dev, error) && command (error, "ip address add " VR_LINK_ADDRESS "/32 scope host dev %s", tunnel->dev)
      && command (error, "ip link set %s addrgenmode none arp off group 118 alias %s up", tunnel->dev, tunnel->peer))
    return TRUE;
  command (NULL, "ip link delete %s", tunnel->dev);
  return FALSE;
}

static void
remove_link (const char *dev)
{
  g_autoptr (GError) error = NULL;

  command (NULL, "nft delete chain netdev " NFT_TABLE " %s", dev);
  if (if_nametoindex (dev) != 0 && !command (&error, "ip link delete %s", dev))
    g_warning ("%s", error->message);
}

/* ---- telling ---- */

static gboolean
on_idle (gpointer data)
{
  g_autoptr (VrTunnels)  self = g_object_ref (data);
  g_autoptr (GHashTable) changed = g_steal_pointer (&self->changed);
  GHashTableIter         iter;
  gpointer               name;

  self->idle = 0;
  self->changed = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_hash_table_iter_init (&iter, changed);
  while (g_hash_table_iter_next (&iter, &name, NULL))
    g_signal_emit (self, changed_signal, 0, name);
  return G_SOURCE_REMOVE;
}

static void
tell (VrTunnels *self, const char *name)
{
  g_hash_table_add (self->changed, g_strdup (name));
  if (self->idle == 0)
    self->idle = g_idle_add_full (G_PRIORITY_DEFAULT, on_idle, self, NULL);
}

/* ---- what is wanted ---- */

static char *
file_of (const char *a, const char *b, const char *suffix)
{
  return g_strdup_printf ("%s/%s-%s%s", g_getenv ("LAB_PLAIN"), a, b, suffix);
}

static gboolean
has_file (const char *a, const char *b, const char *suffix)
{
  g_autofree char *file = file_of (a, b, suffix);

  return g_file_test (file, G_FILE_TEST_EXISTS);
}

static void
wish (VrTunnels *self, Peer *peer, gboolean wished)
{
  g_autofree char *file = file_of (self->config->host->name, peer->name, "");

  peer->wished = wished;
  if (!wished)
    remove (file);
  else if (!g_file_test (file, G_FILE_TEST_EXISTS) && !g_file_set_contents (file, "", 0, NULL))
    g_error ("cannot write %s", file);
}

/* TRUE: it came up or went down. */
static gboolean
look (VrTunnels *self, Peer *peer)
{
  const char *me = self->config->host->name;
  gboolean    was_up = peer->up;

  peer->up = peer->there && (peer->wished || has_file (peer->name, me, "")) && !has_file (me, peer->name, ".down")
             && !has_file (peer->name, me, ".down");
  if (peer->up && !was_up)
    peer->up_since = g_get_real_time ();
  return peer->up != was_up;
}

static void
on_file (GFileMonitor *monitor, GFile *file, GFile *other, GFileMonitorEvent event, gpointer data)
{
  VrTunnels     *self = data;
  GHashTableIter iter;
  Peer          *peer;

  g_hash_table_iter_init (&iter, self->peers);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &peer))
    if (look (self, peer))
      tell (self, peer->name);
}

static void
want (VrTunnels *self, const VrTunnel *tunnel)
{
  Peer              *peer = g_hash_table_lookup (self->peers, tunnel->peer);
  g_autoptr (GError) error = NULL;
  gboolean           changed;

  if (peer == NULL)
    {
      peer = g_new0 (Peer, 1);
      peer->name = g_strdup (tunnel->peer);
      peer->dev = g_strdup (tunnel->dev);
      g_hash_table_insert (self->peers, peer->name, peer);
    }
  peer->wanted = TRUE;
  peer->there = make_link (self, tunnel, &error);
  wish (self, peer, tunnel->wish != VR_TUNNEL_READY);
  changed = look (self, peer);
  if (changed || g_strcmp0 (peer->trouble, error != NULL ? error->message : NULL) != 0)
    tell (self, peer->name);
  g_free (peer->trouble);
  peer->trouble = error != NULL ? g_strdup (error->message) : NULL;
}

static void
remove_strange_links (VrTunnels *self, GPtrArray *wanted)
{
  g_autoptr (GPtrArray) links = vr_kernel_our_links (self->kernel);

  for (guint i = 0; i < links->len; i++)
    {
      gboolean known = FALSE;

      for (guint k = 0; k < wanted->len; k++)
        known |= g_str_equal (((VrTunnel *) wanted->pdata[k])->dev, links->pdata[i]);
      if (!known)
        remove_link (links->pdata[i]);
    }
}

void
vr_tunnels_want (VrTunnels *self, GPtrArray *wanted)
{
  GHashTableIter iter;
  Peer          *peer;

  g_hash_table_iter_init (&iter, self->peers);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &peer))
    peer->wanted = FALSE;
  for (guint i = 0; i < wanted->len; i++)
    want (self, wanted->pdata[i]);
  g_hash_table_iter_init (&iter, self->peers);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &peer))
    if (!peer->wanted)
      {
        remove_link (peer->dev);
        wish (self, peer, FALSE);
        tell (self, peer->name);
        g_hash_table_iter_remove (&iter);
      }
  if (!self->planned)
    remove_strange_links (self, wanted);
  self->planned = TRUE;
}

/* ---- the rest ---- */

VrTunnels *
vr_tunnels_new (VrKernel *kernel, const VrConfig *config)
{
  VrTunnels *self = g_object_new (VR_TYPE_TUNNELS, NULL);

  self->kernel = kernel;
  self->config = config;
  return self;
}

void
vr_tunnels_start (VrTunnels *self)
{
  g_autoptr (GFile)  folder = g_file_new_for_path (g_getenv ("LAB_PLAIN"));
  g_autoptr (GError) error = NULL;

  self->monitor = g_file_monitor_directory (folder, G_FILE_MONITOR_NONE, NULL, &error);
  if (self->monitor == NULL)
    g_error ("cannot watch $LAB_PLAIN: %s", error->message);
  g_signal_connect (self->monitor, "changed", G_CALLBACK (on_file), self);
}

void
vr_tunnels_stop (VrTunnels *self)
{
  g_clear_handle_id (&self->idle, g_source_remove);
  g_clear_object (&self->monitor);
}

gboolean
vr_tunnels_is_up (VrTunnels *self, const char *name)
{
  const Peer *peer = g_hash_table_lookup (self->peers, name);

  return peer != NULL && peer->up;
}

GHashTable *
vr_tunnels_up (VrTunnels *self)
{
  GHashTable    *up = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  GHashTableIter iter;
  Peer          *peer;

  g_hash_table_iter_init (&iter, self->peers);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &peer))
    if (peer->up)
      g_hash_table_add (up, g_strdup (peer->name));
  return up;
}

gint64
vr_tunnels_up_since (VrTunnels *self, const char *name)
{
  const Peer *peer = g_hash_table_lookup (self->peers, name);

  return peer != NULL && peer->up ? peer->up_since : 0;
}

const char *
vr_tunnels_trouble (VrTunnels *self, const char *name)
{
  const Peer *peer = name != NULL ? g_hash_table_lookup (self->peers, name) : NULL;

  return peer != NULL ? peer->trouble : NULL;
}

static void
vr_tunnels_finalize (GObject *object)
{
  VrTunnels *self = VR_TUNNELS (object);

  vr_tunnels_stop (self);
  g_hash_table_unref (self->peers);
  g_hash_table_unref (self->changed);
  G_OBJECT_CLASS (vr_tunnels_parent_class)->finalize (object);
}

static void
vr_tunnels_class_init (VrTunnelsClass *class)
{
  G_OBJECT_CLASS (class)->finalize = vr_tunnels_finalize;
  changed_signal = g_signal_new ("changed", VR_TYPE_TUNNELS, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
}

static void
vr_tunnels_init (VrTunnels *self)
{
  self->peers = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, peer_free);
  self->changed = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
}
