/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation.
 *
 * vr_kernel_apply() looks at what of ours is there, computes the difference to the plan, and sends it. It keeps no copy
 * of what it did: what the kernel says is what counts, so a daemon that starts anew finds its work and goes on. (What the
 * sets of the filter hold is remembered, but only as long as nobody else touches them; filter.c.)
 *
 * The order of one apply: sysctls; what may pass the filter; entries, routes and rules that are added or change in place;
 * removals, in the opposite order; sysctls back. So a packet never finds a rule without its routes, or a route without
 * its neighbour, what is relayed finds the tap's queue long enough, and what must not leave in clear is refused before a route could lead it out.
 *
 * Three things are of use beyond a plan and are read from notifications: the links, whether somebody else changed what is
 * ours, and whether a prepared switch is still good. What matters is passed on as one "changed" signal for all within 20
 * ms.
 */
#include "kernel.h"

#include "announce.h"
#include "counters.h"
#include "daemon/names.h"
#include "events.h"
#include "filter.h"
#include "switch.h"
#include "sync.h"
#include "xfrm.h"

#include <gio/gio.h>
#include <string.h>

enum { COALESCE_MS = 20 };

struct _VrKernel {
  GObject        parent;
  char          *state_file;
  VrKernelState *state;
  VrRtnl        *rtnl;
  VrLinks       *links;
  VrEvents      *events;
  VrNft         *nft;
  VrFilter      *filter;
  GHashTable    *announced; /* set of the last plan's announcements that were sent */
  GPtrArray     *switches;  /* of VrSwitch, borrowed: those that are prepared */
  GSource       *pending;   /* a "changed" that is due; or NULL */
};

enum { PROP_STATE_FILE = 1 };
enum { SIGNAL_CHANGED, N_SIGNALS };

static guint signals[N_SIGNALS];

static void initable_interface (GInitableIface *iface);

G_DEFINE_TYPE_WITH_CODE (VrKernel, vr_kernel, G_TYPE_OBJECT, G_IMPLEMENT_INTERFACE (G_TYPE_INITABLE, initable_interface))

/* ---- "changed" ---- */

static void
drop_pending (VrKernel *kernel)
{
  if (kernel->pending == NULL)
    return;
  g_source_destroy (kernel->pending);
  g_clear_pointer (&kernel->pending, g_source_unref);
}

static gboolean
emit_changed (gpointer data)
{
  VrKernel *kernel = data;

  drop_pending (kernel);
  g_signal_emit (kernel, signals[SIGNAL_CHANGED], 0);
  return G_SOURCE_REMOVE;
}

static void
on_changed (gpointer data)
{
  VrKernel *kernel = data;

  for (guint i = 0; i < kernel->switches->len; i++)
    vr_switch_check (kernel->switches->pdata[i], kernel->links);
  if (kernel->pending != NULL)
    return;
  kernel->pending = g_timeout_source_new (COALESCE_MS);
  g_source_set_callback (kernel->pending, emit_changed, kernel, NULL);
  g_source_attach (kernel->pending, g_main_context_get_thread_default ());
}

/* ---- the object ---- */

static void
vr_kernel_init (VrKernel *kernel)
{
  kernel->announced = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  kernel->switches = g_ptr_array_new ();
}

static void
vr_kernel_finalize (GObject *object)
{
  VrKernel *kernel = VR_KERNEL (object);

  drop_pending (kernel);
  g_clear_pointer (&kernel->filter, vr_filter_free);
  g_clear_pointer (&kernel->nft, vr_nft_free);
  g_clear_pointer (&kernel->events, vr_events_free);
  g_clear_pointer (&kernel->links, vr_links_free);
  g_clear_pointer (&kernel->rtnl, vr_rtnl_free);
  g_clear_pointer (&kernel->state, vr_kernel_state_free);
  g_hash_table_unref (kernel->announced);
  g_ptr_array_unref (kernel->switches);
  g_free (kernel->state_file);
  G_OBJECT_CLASS (vr_kernel_parent_class)->finalize (object);
}

static void
vr_kernel_set_property (GObject *object, guint id, const GValue *value, GParamSpec *spec)
{
  if (id == PROP_STATE_FILE)
    VR_KERNEL (object)->state_file = g_value_dup_string (value);
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, spec);
}

static void
vr_kernel_class_init (VrKernelClass *class)
{
  GObjectClass *object_class = G_OBJECT_CLASS (class);

  object_class->finalize = vr_kernel_finalize;
  object_class->set_property = vr_kernel_set_property;
  /* Where that which the kernel cannot remember for us is kept (state.h). */
  g_object_class_install_property (
      object_class, PROP_STATE_FILE,
      g_param_spec_string ("state-file", NULL, NULL, VR_RUN_DIR "/kernel.state",
                           G_PARAM_WRITABLE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS));
  signals[SIGNAL_CHANGED]
      = g_signal_new ("changed", VR_TYPE_KERNEL, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static gboolean
vr_kernel_initable_init (GInitable *initable, GCancellable *cancellable, GError **error)
{
  VrKernel *kernel = VR_KERNEL (initable);

  kernel->state = vr_kernel_state_load (kernel->state_file);
  kernel->links = vr_links_new ();
  kernel->rtnl = vr_rtnl_new (error);
  if (kernel->rtnl == NULL)
    return FALSE;
  /* Listening begins before reading, so that no change falls between the two. */
  kernel->events = vr_events_new (kernel->rtnl, kernel->links, on_changed, kernel, error);
  if (kernel->events == NULL)
    return FALSE;
  kernel->nft = vr_nft_new (on_changed, kernel, error);
  if (kernel->nft == NULL)
    return FALSE;
  kernel->filter = vr_filter_new (kernel->nft, kernel->state);
  return vr_links_read (kernel->links, kernel->rtnl, error);
}

static void
initable_interface (GInitableIface *iface)
{
  iface->init = vr_kernel_initable_init;
}

VrKernel *
vr_kernel_new (GError **error)
{
  return g_initable_new (VR_TYPE_KERNEL, NULL, error, NULL);
}

/* ---- apply ---- */

static void
reverse (GPtrArray *array)
{
  for (guint i = 0; i < array->len / 2; i++)
    {
      gpointer item = array->pdata[i];

      array->pdata[i] = array->pdata[array->len - 1 - i];
      array->pdata[array->len - 1 - i] = item;
    }
}

static void
save_state (VrKernel *kernel, VrTrouble *trouble)
{
  GError *error = NULL;

  if (vr_kernel_state_save (kernel->state, &error))
    return;
  g_prefix_error (&error, "cannot remember what is ours in %s: ", kernel->state_file);
  vr_trouble_take (trouble, error);
}

/* Sends those that the last plan did not hold. What cannot be sent yet is not held. */
static void
announce (VrKernel *kernel, GPtrArray *wanted, VrTrouble *trouble)
{
  GHashTable *announced = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (guint i = 0; i < wanted->len; i++)
    {
      const VrAnnouncement *announcement = wanted->pdata[i];
      const VrLink         *link = vr_links_by_name (kernel->links, announcement->dev);
      g_autofree char      *line = vr_announcement_to_string (announcement);
      GError               *error = NULL;

      if (!g_hash_table_contains (kernel->announced, line))
        {
          if (link == NULL || !link->up)
            continue;
          if (!vr_announce (announcement, link, &error))
            {
              vr_trouble_take (trouble, error);
              continue;
            }
        }
      g_hash_table_add (announced, g_steal_pointer (&line));
    }
  g_hash_table_unref (kernel->announced);
  kernel->announced = announced;
}

/* What route netlink carries: the requests, in the order in which additions are to be made. */
static void
compute (VrSync *sync, const VrPlan *plan)
{
  vr_sync_queues (sync, plan->queues);
  vr_sync_forwardings (sync, plan->forwardings);
  vr_sync_neighbours (sync, plan->neighbours);
  vr_sync_routes (sync, plan->routes);
  vr_sync_rules (sync, plan->rules);
  reverse (sync->removes);
}

static void
bring_about (VrKernel *kernel, const VrPlan *plan, GPtrArray *changes, VrTrouble *trouble)
{
  g_autoptr (GPtrArray) adds = vr_batch_new (), removes = vr_batch_new ();
  VrSync sync = { kernel->rtnl, kernel->links, kernel->state, adds, removes, changes, trouble };

  vr_sync_sysctls (&sync, plan->sysctls);
  compute (&sync, plan);
  save_state (kernel, trouble);
  vr_filter_add (kernel->filter, plan->elements, changes, trouble);
  vr_rtnl_run (kernel->rtnl, adds, changes, trouble);
  vr_rtnl_run (kernel->rtnl, removes, changes, trouble);
  vr_filter_remove (kernel->filter, plan->elements, changes, trouble);
  vr_sync_forwardings_done (&sync);
  vr_unsync_sysctls (&sync, plan->sysctls);
  save_state (kernel, trouble);
}

gboolean
vr_kernel_apply (VrKernel *kernel, const VrPlan *plan, GPtrArray *changes, GError **error)
{
  VrTrouble trouble = { NULL, 0 };

  g_return_val_if_fail (VR_IS_KERNEL (kernel) && plan != NULL, FALSE);
  vr_events_read (kernel->events);
  if (!vr_links_read_addresses (kernel->links, kernel->rtnl, error))
    return FALSE;
  bring_about (kernel, plan, changes, &trouble);
  announce (kernel, plan->announcements, &trouble);
  vr_events_set_plan (kernel->events, plan);
  return vr_trouble_propagate (&trouble, error);
}

gboolean
vr_kernel_flush (VrKernel *kernel, GError **error)
{
  g_autoptr (GPtrArray) adds = vr_batch_new (), removes = vr_batch_new (), names = NULL;
  g_autoptr (VrPlan) nothing = vr_plan_new ();
  VrTrouble trouble = { NULL, 0 };
  VrSync    sync = { kernel->rtnl, kernel->links, kernel->state, adds, removes, NULL, &trouble };
  GError   *failure = NULL;

  vr_events_read (kernel->events);
  compute (&sync, nothing);
  vr_rtnl_run (kernel->rtnl, removes, NULL, &trouble);
  vr_unsync_sysctls (&sync, nothing->sysctls);
  names = vr_kernel_our_links (kernel);
  for (guint i = 0; i < names->len; i++)
    if (!vr_link_remove (kernel->rtnl, kernel->links, names->pdata[i], &failure))
      vr_trouble_take (&trouble, g_steal_pointer (&failure));
  vr_filter_flush (kernel->filter, &trouble);
  g_hash_table_remove_all (kernel->announced);
  vr_events_set_plan (kernel->events, nothing);
  vr_kernel_state_clear (kernel->state);
  return vr_trouble_propagate (&trouble, error);
}

/* ---- asking ---- */

GHashTable *
vr_kernel_macs (VrKernel *kernel)
{
  GHashTable           *macs = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_autoptr (GPtrArray) links = NULL;

  vr_events_read (kernel->events);
  links = vr_links_all (kernel->links);
  for (guint i = 0; i < links->len; i++)
    {
      const VrLink *link = links->pdata[i];

      if (link->mac != NULL)
        g_hash_table_replace (macs, g_strdup (link->name), g_strdup (link->mac));
    }
  return macs;
}

gboolean
vr_kernel_forwarding (VrKernel *kernel, gboolean v6)
{
  g_autofree char *value = NULL;

  return g_file_get_contents (v6 ? "/proc/sys/net/ipv6/conf/all/forwarding" : "/proc/sys/net/ipv4/ip_forward", &value,
                              NULL, NULL)
         && g_ascii_strtoll (value, NULL, 10) > 0;
}

GPtrArray *
vr_kernel_routes (VrKernel *kernel, GError **error)
{
  vr_events_read (kernel->events);
  return vr_routes_read (kernel->rtnl, kernel->links, error);
}

void
vr_counter_free (VrCounter *counter)
{
  g_free (counter->name);
  g_free (counter);
}

GPtrArray *
vr_kernel_counters (VrKernel *kernel, GError **error)
{
  return vr_counters_read (kernel->nft, error);
}

GPtrArray *
vr_kernel_tallies (VrKernel *kernel, gboolean backwards, GError **error)
{
  return vr_tallies_read (kernel->nft, backwards, error);
}

GHashTable *
vr_kernel_taps (VrKernel *kernel, GError **error)
{
  return vr_taps_read (kernel->rtnl, error);
}

/* ---- the fast path, links ---- */

static void
switch_freed (GObject *keep, VrSwitch *sw)
{
  g_ptr_array_remove_fast (VR_KERNEL (keep)->switches, sw);
}

VrSwitch *
vr_switch_prepare (VrKernel *kernel, GPtrArray *neighbours, GPtrArray *routes, GError **error)
{
  VrSwitch *sw;

  vr_events_read (kernel->events);
  if (!vr_links_read_addresses (kernel->links, kernel->rtnl, error))
    return NULL;
  sw = vr_switch_new (kernel->rtnl, kernel->links, neighbours, routes, G_OBJECT (kernel), switch_freed, error);
  if (sw != NULL)
    g_ptr_array_add (kernel->switches, sw);
  return sw;
}

gboolean
vr_kernel_ensure_xfrm (VrKernel *kernel, const char *name, guint32 if_id, const char *alias, guint32 mtu,
                       GError **error)
{
  gboolean made = FALSE, ok;

  g_return_val_if_fail (if_id != 0, FALSE);
  vr_events_read (kernel->events);
  ok = vr_xfrm_ensure (kernel->rtnl, kernel->links, name, if_id, alias, mtu, &made, error);
  if (made)
    on_changed (kernel);
  return ok;
}

gboolean
vr_kernel_remove_link (VrKernel *kernel, const char *name, GError **error)
{
  gboolean ok;

  vr_events_read (kernel->events);
  if (g_str_has_prefix (name, VR_LINK_PREFIX) && vr_links_by_name (kernel->links, name) == NULL)
    return TRUE;
  ok = vr_link_remove (kernel->rtnl, kernel->links, name, error);
  on_changed (kernel);
  return ok;
}

GPtrArray *
vr_kernel_our_links (VrKernel *kernel)
{
  GPtrArray            *names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) links = NULL;

  vr_events_read (kernel->events);
  links = vr_links_all (kernel->links);
  for (guint i = 0; i < links->len; i++)
    {
      const VrLink *link = links->pdata[i];

      if (vr_link_is_ours (link))
        g_ptr_array_add (names, g_strdup (link->name));
    }
  return names;
}
