/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who may claim what: guest networks and underlay addresses by hosts, addresses by guests. First come, first served, unless [trust]
 * networks says more: what one has, another does not get. So an address leads to one guest, a network to one host, and nobody
 * gets the packets of another by naming its addresses as his own.
 *
 *   A host's record names networks that overlap no other host's, hold no other host's underlay address, and that this host allows for it;
 *   underlay addresses that are no other host's, and in nobody's guest network; an identity that is no other host's; as its bridge's
 *   MACs, none of a guest.
 *   A guest's record names addresses that no other running guest has, that are no gateway's and no host's own, and that lie in
 *   the networks of its home, or in nobody's; where this host has a list of networks, in those that it allows for the home.
 */
#include "book-private.h"

#include <string.h>

/* ---- who holds what ---- */

void
vr_book_index_hosts (VrBook *book)
{
  GHashTableIter iter;
  VrHost *host;

  g_array_set_size (book->claims, 0);
  g_hash_table_iter_init (&iter, book->hosts);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &host))
    for (guint i = 0; host->networks[i]; i++) {
      g_autofree char *gateway = g_strndup (host->networks[i], strcspn (host->networks[i], "/"));
      VrClaim claim = { .host = host->name };

      vr_net_set (&claim.net, host->networks[i]);
      vr_net_set (&claim.gateway, gateway);
      g_array_append_val (book->claims, claim);
    }
}

static const VrClaim *
claim_on (const VrBook *book, const VrNet *net)
{
  for (guint i = 0; i < book->claims->len; i++) {
    const VrClaim *claim = &g_array_index (book->claims, VrClaim, i);

    if (vr_net_holds (&claim->net, net))
      return claim;
  }
  return NULL;
}

const char *
vr_book_holder (const VrBook *book, GPtrArray *nics)
{
  for (guint n = 0; n < nics->len; n++)
    for (char **address = ((VrNic *) nics->pdata[n])->addresses; *address; address++) {
      const VrClaim *claim;
      VrNet net;

      vr_net_set (&net, *address);
      claim = claim_on (book, &net);
      if (claim)
        return claim->host;
    }
  return NULL;
}

void
vr_book_hold_addresses (VrBook *book, const VrPage *page, gboolean hold)
{
  const VrRecord *custody = page->guest.custody;

  if (book->is_copy || !custody || (hold && custody->state == VR_STATE_STOPPED))
    return;
  for (guint n = 0; n < custody->nics->len; n++)
    for (char **address = ((VrNic *) custody->nics->pdata[n])->addresses; *address; address++) {
      const char *holder = g_hash_table_lookup (book->holders, *address);

      if (hold && !holder)
        g_hash_table_insert (book->holders, g_strdup (*address), g_strdup (page->uuid));
      else if (!hold && holder && strcmp (holder, page->uuid) == 0)
        g_hash_table_remove (book->holders, *address);
    }
}

/* Does [trust] networks, if it is there, give `net` to the host? */
static gboolean
is_allowed (const VrBook *book, const char *host, const VrNet *net)
{
  char **networks = book->trust ? book->trust->networks : NULL;

  if (!networks || !networks[0])
    return TRUE;
  for (guint i = 0; networks[i]; i++) {
    const char *colon = strchr (networks[i], ':');
    VrNet allowed;

    if (strncmp (networks[i], host, colon - networks[i]) != 0 || host[colon - networks[i]] != '\0')
      continue;
    vr_net_set (&allowed, colon + 1);
    if (vr_net_holds (&allowed, net))
      return TRUE;
  }
  return FALSE;
}

/* ---- guests ---- */

static const char *
underlay_host (const VrBook *book, const char *address)
{
  GHashTableIter iter;
  VrHost *host;

  g_hash_table_iter_init (&iter, book->hosts);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &host))
    if (g_strv_contains ((const char *const *) host->underlay, address))
      return host->name;
  return NULL;
}

static char *
address_fault (const VrBook *book, const VrRecord *record, const char *address)
{
  const char *holder = g_hash_table_lookup (book->holders, address), *host;
  const VrClaim *claim;
  VrNet net;

  vr_net_set (&net, address);
  claim = claim_on (book, &net);
  if (claim && vr_net_holds (&claim->gateway, &net))
    return g_strdup_printf ("%s is the gateway's address on %s", address, claim->host);
  host = claim ? NULL : underlay_host (book, address);
  if (host)
    return g_strdup_printf ("%s is %s's own address in the underlay", address, host);
  if (claim && g_strcmp0 (claim->host, record->home) != 0)
    return g_strdup_printf ("%s lies in a guest network of %s, and the record says that the guest's home is %s", address, claim->host,
                            record->home);
  if (!is_allowed (book, record->home ? record->home : "", &net))
    return g_strdup_printf ("%s is in no network that [trust] networks allows for %s", address, record->home);
  if (holder && strcmp (holder, record->uuid) != 0) {
    const VrGuest *guest = vr_book_guest (book, holder);

    return g_strdup_printf ("%s belongs to guest %s (%s), which runs", address, guest && guest->custody ? guest->custody->name : "?", holder);
  }
  return NULL;
}

char *
vr_book_record_fault (const VrBook *book, const VrRecord *record)
{
  for (guint n = 0; n < record->nics->len; n++)
    for (char **address = ((VrNic *) record->nics->pdata[n])->addresses; *address; address++) {
      char *fault = address_fault (book, record, *address);

      if (fault)
        return fault;
    }
  return NULL;
}

/* ---- hosts ---- */

static char *
network_fault (const VrBook *book, const VrHost *host, const char *network)
{
  GHashTableIter iter;
  VrHost *other;
  VrNet net, address;

  vr_net_set (&net, network);
  if (!is_allowed (book, host->name, &net))
    return g_strdup_printf ("[trust] networks does not allow %s for it", network);
  for (guint i = 0; i < book->claims->len; i++) {
    const VrClaim *claim = &g_array_index (book->claims, VrClaim, i);

    if (strcmp (claim->host, host->name) != 0 && vr_net_overlaps (&claim->net, &net))
      return g_strdup_printf ("its guest network %s overlaps one of %s", network, claim->host);
  }
  g_hash_table_iter_init (&iter, book->hosts);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &other))
    for (guint i = 0; strcmp (other->name, host->name) != 0 && other->underlay[i]; i++) {
      vr_net_set (&address, other->underlay[i]);
      if (vr_net_holds (&net, &address))
        return g_strdup_printf ("its guest network %s holds the underlay address of %s", network, other->name);
    }
  return NULL;
}

static char *
underlay_fault (const VrBook *book, const VrHost *host, const char *underlay)
{
  const char *other = underlay_host (book, underlay);
  const VrClaim *claim;
  VrNet net;

  if (other && strcmp (other, host->name) != 0)
    return g_strdup_printf ("its underlay address %s is that of %s", underlay, other);
  vr_net_set (&net, underlay);
  claim = claim_on (book, &net);
  if (!claim || strcmp (claim->host, host->name) == 0)
    return NULL;
  return g_strdup_printf ("its underlay address %s lies in a guest network of %s", underlay, claim->host);
}

static gboolean
is_guests_mac (const VrBook *book, const char *mac)
{
  GHashTableIter iter;
  VrPage *page;

  g_hash_table_iter_init (&iter, book->pages);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &page))
    for (guint n = 0; page->guest.custody && n < page->guest.custody->nics->len; n++)
      if (strcmp (((VrNic *) page->guest.custody->nics->pdata[n])->mac, mac) == 0)
        return TRUE;
  return FALSE;
}

char *
vr_book_host_fault (const VrBook *book, const VrHost *host)
{
  GHashTableIter iter;
  VrHost *other;
  char *fault;

  for (guint i = 0; host->networks[i]; i++)
    if ((fault = network_fault (book, host, host->networks[i])))
      return fault;
  for (guint i = 0; host->underlay[i]; i++)
    if ((fault = underlay_fault (book, host, host->underlay[i])))
      return fault;
  for (guint i = 0; host->macs[i]; i++)
    if (is_guests_mac (book, host->macs[i]))
      return g_strdup_printf ("its MAC address %s is a guest's", host->macs[i]);
  g_hash_table_iter_init (&iter, book->hosts);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &other))
    if (host->identity && strcmp (other->name, host->name) != 0 && g_strcmp0 (other->identity, host->identity) == 0)
      return g_strdup_printf ("its IKE identity %s is that of %s", host->identity, other->name);
  return NULL;
}
