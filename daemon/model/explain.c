/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation.
 *
 * Every host's plan is a function of the book, which all hosts share, and of facts, which each has for itself. This host has its own
 * facts; another's are concluded: the guests that the records place there are there, the tunnels that both ends want are up, nothing was
 * counted. From them the other's plan is made, and a packet is followed through the plans from host to host, as the kernels would pass it
 * on, until it arrives, is dropped, or leaves by a route that is none of virt-relay's.
 *
 * "Direct" is the same once more, with the facts that the switch to the direct path waits for: the tunnel between peer and owner is up, and
 * enough answers were counted.
 */
#include "explain.h"

#include <gio/gio.h>

#include "address.h"
#include "daemon/names.h"
#include "explain-private.h"
#include "plan-draft.h"

#define MAX_HOPS 8
#define MAX_STAND_INS 64

/* ---- words ---- */

/* The host at the other end of a tunnel of `plan`; NULL: `dev` is no tunnel. */
static const VrTunnel *
tunnel_by_dev (const VrPlan *plan, const char *dev)
{
  for (guint i = 0; i < plan->tunnels->len; i++)
    if (g_str_equal (((VrTunnel *) plan->tunnels->pdata[i])->dev, dev))
      return plan->tunnels->pdata[i];
  return NULL;
}

static const char *
role_of (const VrView *view, const char *host)
{
  const VrRecord *record = view->record;

  if (record == NULL)
    return NULL;
  if (g_str_equal (record->owner, host))
    return "owner";
  if (record->state == VR_STATE_LEAVING && g_strcmp0 (record->target, host) == 0)
    return "target";
  if (g_strcmp0 (record->origin, host) == 0 && !g_str_equal (record->owner, record->home))
    return "origin";
  return g_str_equal (record->home, host) ? "home" : "peer";
}

static VrHop *
hop_new (const VrView *view, const char *host, const char *in)
{
  VrHop *hop = g_new0 (VrHop, 1);

  hop->host = g_strdup (host);
  hop->role = g_strdup (role_of (view, host));
  hop->in = g_strdup (in);
  hop->verified = vr_view_is_mine (view, host) && !view->direct;
  return hop;
}

/* ---- following a packet ---- */

/* The interface by which a packet of a guest with this address enters its host. */
static const char *
way_in (const VrView *view, const char *host, const char *uuid)
{
  const VrHere    *here = uuid != NULL ? g_hash_table_lookup (view->facts->here, uuid) : NULL;
  const VrHereNic *nic = here != NULL && here->nics->len > 0 ? here->nics->pdata[0] : NULL;

  if (!vr_view_is_mine (view, host))
    return VR_OTHERS_BRIDGE;
  if (nic != NULL && (nic->bridge != NULL || nic->tap != NULL))
    return nic->bridge != NULL ? nic->bridge : nic->tap;
  return view->facts->bridge != NULL ? view->facts->bridge : VR_OTHERS_BRIDGE;
}

/* It is let through, and no route of virt-relay's decides. */
static VrOutcome
end_without_route (VrHop *hop, const VrVerdict *verdict)
{
  if (verdict->own_net)
    {
      hop->does = g_strdup ("delivers");
      hop->why = g_strdup ("the address is in this host's own guest network");
      return VR_ARRIVES;
    }
  hop->does = g_strdup ("sends");
  hop->why = g_strdup ("no route of virt-relay's leads there: this host's own routes decide, and unless the administrator's own IPsec takes the "
                       "packet, the filter drops what must not leave in clear (name the other host in [host] reach for a tunnel of "
                       "virt-relay's)");
  return VR_UNKNOWN;
}

static VrOutcome
drop (VrHop *hop, const char *reason)
{
  hop->does = g_strdup ("drops");
  hop->why = g_strdup_printf ("the filter refuses it, and counts it as %s", reason);
  return VR_LOST;
}

/* By the route; *next: the host that it goes to, NULL: it ends here. */
static VrOutcome
take_route (const VrView *view, VrHop *hop, const VrPlan *plan, const VrVerdict *verdict, const char **next)
{
  const VrTunnel *tunnel;

  hop->rule = vr_rule_to_string (verdict->rule);
  hop->route = vr_route_to_string (verdict->route);
  if (verdict->route->type == VR_ROUTE_UNREACHABLE)
    {
      hop->does = g_strdup ("has no way");
      hop->why = g_strdup ("the guest's own route is not there, and it is never sent in clear: the sender is told that it is unreachable");
      return VR_LOST;
    }
  hop->out = g_strdup (verdict->route->dev);
  tunnel = tunnel_by_dev (plan, verdict->route->dev);
  if (verdict->dropped != NULL)
    return drop (hop, verdict->dropped);
  if (tunnel == NULL)
    {
      hop->does = g_strdup ("delivers");
      return VR_ARRIVES;
    }
  hop->does = g_strdup (g_str_has_prefix (hop->in, VR_LINK_PREFIX) ? "relays" : "sends");
  hop->next = g_strdup (tunnel->peer);
  hop->tunnel = g_strdup (vr_view_tunnel_state (view, hop->host, tunnel));
  if (g_str_equal (hop->tunnel, "down"))
    {
      hop->why = g_strdup ("the tunnel is down: no tunnel, no packet");
      return VR_LOST;
    }
  *next = tunnel->peer;
  return VR_ARRIVES;
}

static VrOutcome
pass (VrView *view, GPtrArray *hops, const char *host, const char *in, const VrWay *way, const char **next)
{
  const VrPlan *plan = vr_view_plan (view, host);
  VrVerdict     verdict = vr_explain_forward (plan, in, way->source, way->destination);
  VrHop        *hop = hop_new (view, host, in);

  g_ptr_array_add (hops, hop);
  if (verdict.admits != NULL)
    hop->filter = vr_element_to_string (verdict.admits);
  if (verdict.route != NULL)
    return take_route (view, hop, plan, &verdict, next);
  return verdict.dropped != NULL ? drop (hop, verdict.dropped) : end_without_route (hop, &verdict);
}

static void
hop_free (gpointer data)
{
  VrHop *hop = data;

  g_free (hop->host);
  g_free (hop->role);
  g_free (hop->does);
  g_free (hop->in);
  g_free (hop->out);
  g_free (hop->next);
  g_free (hop->tunnel);
  g_free (hop->rule);
  g_free (hop->route);
  g_free (hop->filter);
  g_free (hop->why);
  g_free (hop);
}

/* `uuid` of the guest that sends; NULL: some guest of the host. */
static VrWay *
follow (VrView *view, const char *host, const char *uuid, const char *source, const char *destination, gboolean back)
{
  VrWay           *way = g_new0 (VrWay, 1);
  g_autofree char *in = g_strdup (way_in (view, host, uuid));

  way->direct = view->direct;
  way->back = back;
  way->source = g_strdup (source);
  way->destination = g_strdup (destination);
  way->hops = g_ptr_array_new_with_free_func (hop_free);
  while (host != NULL && way->hops->len < MAX_HOPS)
    {
      const char *next = NULL, *last = host;

      way->outcome = pass (view, way->hops, host, in, way, &next);
      if (next != NULL)
        {
          g_free (in);
          in = vr_tunnel_dev (last);
        }
      host = next;
    }
  if (host != NULL) /* plans that send in circles would be a bug: say so, and end */
    way->outcome = VR_LOST;
  return way;
}

static void
way_free (gpointer data)
{
  VrWay *way = data;

  g_free (way->source);
  g_free (way->destination);
  g_ptr_array_unref (way->hops);
  g_free (way);
}

static gboolean
ways_differ (const VrWay *a, const VrWay *b)
{
  if (a->hops->len != b->hops->len)
    return TRUE;
  for (guint i = 0; i < a->hops->len; i++)
    if (!g_str_equal (((VrHop *) a->hops->pdata[i])->host, ((VrHop *) b->hops->pdata[i])->host))
      return TRUE;
  return FALSE;
}

/* ---- who is meant ---- */

/* The guest that is not stopped comes first: a name or an address may have been another's before. */
static const VrRecord *
find_guest (const VrBook *book, const char *whom, const char *address)
{
  g_autoptr (GPtrArray) uuids = vr_book_guest_uuids (book);
  const VrRecord       *found = NULL;

  for (guint i = 0; i < uuids->len; i++)
    {
      const VrRecord *record = vr_book_guest (book, uuids->pdata[i])->custody;

      if (record == NULL || (found != NULL && record->state == VR_STATE_STOPPED))
        continue;
      if (address != NULL ? vr_record_has_address (record, address)
                          : g_strcmp0 (record->name, whom) == 0 || g_ascii_strcasecmp (record->uuid, whom) == 0)
        found = record;
    }
  return found;
}

static const char *
first_address (const VrRecord *record)
{
  for (guint n = 0; n < record->nics->len; n++)
    if (((VrNic *) record->nics->pdata[n])->addresses[0] != NULL)
      return ((VrNic *) record->nics->pdata[n])->addresses[0];
  return NULL;
}

/* The host whose guest network holds the address; NULL: none. */
static const char *
host_of_network (const VrBook *book, const char *address)
{
  g_autoptr (GPtrArray) names = vr_book_host_names (book);

  for (guint i = 0; i < names->len; i++)
    {
      const VrHost *host = vr_book_host (book, names->pdata[i]);

      for (guint k = 0; host->networks[k] != NULL; k++)
        if (vr_network_contains (host->networks[k], address))
          return host->name;
    }
  return NULL;
}

static gboolean
find_whom (VrExplanation *found, const char **owner, const VrBook *book, const char *whom, GError **error)
{
  found->address = vr_address_canonical (whom, NULL);
  found->record = find_guest (book, whom, found->address);
  if (found->record != NULL && found->address == NULL)
    found->address = g_strdup (first_address (found->record));
  if (found->record != NULL && found->address == NULL)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "guest %s has no address that is known: give it one in its metadata, or in its "
                   "interface's <ip>", found->record->name);
      return FALSE;
    }
  if (found->record != NULL && found->record->state == VR_STATE_STOPPED)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "guest %s is stopped: nothing is sent to it", found->record->name);
      return FALSE;
    }
  *owner = found->record != NULL    ? found->record->owner
           : found->address != NULL ? host_of_network (book, found->address)
                                    : NULL;
  if (*owner != NULL)
    return TRUE;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "\"%s\" is neither a guest's name, uuid or address nor in a host's guest network; "
               "virt-relay guests and virt-relay hosts list what is known", whom);
  return FALSE;
}

/* The host's gateway has routes of its own with its peers: some other address of its network, which is no guest's that is known, is as good as any. */
static char *
stand_in_of (const VrBook *book, const VrHost *host, gboolean v6)
{
  g_autofree char *gateway = vr_plan_gateway_of (host, v6, NULL);
  const char      *network = NULL;

  for (guint i = 0; gateway != NULL && network == NULL; i++)
    if (vr_network_contains (host->networks[i], gateway))
      network = host->networks[i];
  for (guint n = 1; network != NULL && n <= MAX_STAND_INS; n++)
    {
      g_autofree char *address = vr_network_address_before_last (network, n);

      if (address != NULL && !g_str_equal (address, gateway) && find_guest (book, NULL, address) == NULL)
        return g_steal_pointer (&address);
    }
  return g_steal_pointer (&gateway);
}

static gboolean
find_from (VrExplanation *found, const VrBook *book, const char *from, GError **error)
{
  const VrHost *host = vr_book_host (book, from);

  found->from = g_strdup (from);
  if (host != NULL)
    found->from_address = stand_in_of (book, host, vr_address_is_v6 (found->address));
  if (found->from_address != NULL)
    return TRUE;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_HOST_NOT_FOUND,
               host == NULL ? "the migration log knows no host \"%s\"; virt-relay hosts lists them"
                            : "host %s has no guest network of that family, so nothing is sent from there",
               from);
  return FALSE;
}

/* ---- the whole ---- */

static void
add_ways (VrExplanation *found, VrView *view, GPtrArray *ways)
{
  const char *uuid = found->record != NULL ? found->record->uuid : NULL;

  g_ptr_array_add (ways, follow (view, found->from, NULL, found->from_address, found->address, FALSE));
  g_ptr_array_add (ways, follow (view, view->owner, uuid, found->address, found->from_address, TRUE));
}

/* May the path still become direct? */
static gboolean
may_become_direct (const VrView *view)
{
  return view->record != NULL && view->facts->direct != VR_DIRECT_NEVER && view->record->state != VR_STATE_MOVED
         && !g_str_equal (view->owner, view->record->home) && !g_str_equal (view->from, view->owner)
         && !g_str_equal (view->from, view->record->home);
}

VrExplanation *
vr_explain (const VrFacts *facts, const VrPlan *plan, const char *whom, const char *from, GError **error)
{
  g_autoptr (VrExplanation) found = g_new0 (VrExplanation, 1);
  g_autoptr (GHashTable)    now = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) vr_plan_free);
  g_autoptr (GHashTable)    later = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) vr_plan_free);
  VrView                      view = { .facts = facts, .plan = plan, .plans = now };

  found->ways = g_ptr_array_new_with_free_func (way_free);
  if (!find_whom (found, &view.owner, facts->book, whom, error)
      || !find_from (found, facts->book, from != NULL && *from != '\0' ? from : facts->self, error))
    return NULL;
  view.record = found->record;
  view.from = found->from;
  add_ways (found, &view, found->ways);

  if (may_become_direct (&view))
    {
      g_autoptr (GPtrArray) direct = g_ptr_array_new_with_free_func (way_free);

      view.direct = TRUE;
      view.plans = later;
      add_ways (found, &view, direct);
      if (ways_differ (found->ways->pdata[0], direct->pdata[0]) || ways_differ (found->ways->pdata[1], direct->pdata[1]))
        g_ptr_array_extend_and_steal (found->ways, g_steal_pointer (&direct));
    }
  return g_steal_pointer (&found);
}

void
vr_explanation_free (VrExplanation *explanation)
{
  if (explanation == NULL)
    return;
  g_free (explanation->address);
  g_free (explanation->from);
  g_free (explanation->from_address);
  g_ptr_array_unref (explanation->ways);
  g_free (explanation);
}

const char *
vr_outcome_to_string (VrOutcome outcome)
{
  static const char *const words[] = { "arrives", "is lost", "is not known" };

  return words[outcome];
}
