/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small world for tests of the model: three hosts, h1 h2 h3, each with the guest networks 10.9.N.1/24 and fd00:9:N::1/64 on br0;
 * h1 and h2 reach each other. The guest d, home h1, has 10.9.1.100 and fd00:9:1::100 on one NIC. One book for all: what every host
 * would know once the log's news are everywhere.
 */
#pragma once

#include "daemon/model/custody.h"
#include "daemon/model/plan.h"

#define D "11111111-2222-3333-4444-555555555555"
#define D_MAC "52:54:00:00:01:64"
#define D4 "10.9.1.100"
#define D6 "fd00:9:1::100"

typedef struct {
  VrBook     *book;
  guint64     seq;
  GHashTable *here;    /* of the host that is asked for its plan */
  GHashTable *tunnels;
  GHashTable *macs;
  GHashTable *asked;
  GHashTable *answers, *sought, *waited, *held, *changed, *lingering;
  VrDirect    direct;
  gboolean    ordered;
  const char *token;   /* in d's XML; NULL: none */
} World;

static inline void
world_host (World *world, int n, const char *reach)
{
  g_autoptr (VrHost) host = NULL;
  g_autofree char *name = g_strdup_printf ("h%d", n), *underlay = g_strdup_printf ("192.0.2.%d", n);
  g_autofree char *four = g_strdup_printf ("10.9.%d.1/24", n), *six = g_strdup_printf ("fd00:9:%d::1/64", n);
  g_autofree char *mac = g_strdup_printf ("02:00:00:00:0%d:01", n);
  const char      *networks[] = { four, six, NULL }, *underlays[] = { underlay, NULL }, *macs[] = { mac, NULL };

  host = vr_host_new (name);
  g_strfreev (host->underlay);
  host->underlay = g_strdupv ((char **) underlays);
  g_strfreev (host->networks);
  host->networks = g_strdupv ((char **) networks);
  g_strfreev (host->macs);
  host->macs = g_strdupv ((char **) macs);
  g_strfreev (host->reach);
  host->reach = g_strsplit (reach, " ", -1);
  host->seq = ++world->seq;
  vr_book_add_host (world->book, host, NULL);
}

static inline World *
world_new (void)
{
  World *world = g_new0 (World, 1);

  world->book = vr_book_new ();
  world->here = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) vr_here_free);
  world->tunnels = g_hash_table_new (g_str_hash, g_str_equal);
  world->macs = g_hash_table_new (g_str_hash, g_str_equal);
  world->asked = g_hash_table_new (g_str_hash, g_str_equal);
  world->answers = g_hash_table_new (g_str_hash, g_str_equal);
  world->sought = g_hash_table_new (g_str_hash, g_str_equal);
  world->waited = g_hash_table_new (g_str_hash, g_str_equal);
  world->held = g_hash_table_new (g_str_hash, g_str_equal);
  world->changed = g_hash_table_new (g_str_hash, g_str_equal);
  world->lingering = g_hash_table_new (g_str_hash, g_str_equal);
  world->direct = VR_DIRECT_BUILD;
  world_host (world, 1, "h2");
  world_host (world, 2, "h1");
  world_host (world, 3, "");
  return world;
}

static inline void
world_free (World *world)
{
  vr_book_free (world->book);
  g_hash_table_unref (world->here);
  g_hash_table_unref (world->tunnels);
  g_hash_table_unref (world->macs);
  g_hash_table_unref (world->asked);
  g_hash_table_unref (world->answers);
  g_hash_table_unref (world->sought);
  g_hash_table_unref (world->waited);
  g_hash_table_unref (world->held);
  g_hash_table_unref (world->changed);
  g_hash_table_unref (world->lingering);
  g_free (world);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (World, world_free)

static inline VrSighting *
sighting_of_d (void)
{
  VrSighting *sighting = vr_sighting_new (D, "d");
  const char *addresses[] = { D4, D6, NULL };

  g_ptr_array_add (sighting->nics, vr_nic_new (D_MAC, addresses));
  return sighting;
}

/* What host `self` would write, put into the book; FALSE: it has nothing to write. */
static inline gboolean
world_settle (World *world, const char *self, VrPresence presence, gboolean waited)
{
  g_autoptr (VrSighting) sighting = sighting_of_d ();
  g_autoptr (VrRecord) record = NULL;
  g_autoptr (GError) error = NULL;

  sighting->token = g_strdup (world->token);
  record = vr_custody_next (self, world->book, D, presence, sighting, waited);
  if (record == NULL)
    return FALSE;
  record->seq = ++world->seq;
  vr_book_add_record (world->book, record, &error);
  g_assert_no_error (error);
  return TRUE;
}

/* d's QEMU is on the host that is asked next, with its tap in br0 */
static inline void
world_here (World *world)
{
  VrHere *here = vr_here_new (D);

  vr_here_add_nic (here, D_MAC, "vnet0", "br0");
  g_hash_table_replace (world->here, here->uuid, here);
}

/* What `self` knows; the world owns it */
static inline VrFacts
world_facts (World *world, const char *self)
{
  static char mac[] = "02:00:00:00:0?:01";

  mac[13] = self[1];
  g_hash_table_replace (world->macs, (gpointer) "br0", mac);
  return (VrFacts) { .self = self, .bridge = "br0", .book = world->book, .here = world->here, .tunnels = world->tunnels,
                     .macs = world->macs, .asked = world->asked, .lingering = world->lingering, .direct = world->direct, .threshold = 10,
                     .queue_max = 20000, .answers = world->answers, .sought = world->sought, .waited = world->waited,
                     .ordered = world->ordered, .held = world->held, .changed = world->changed };
}

static inline VrPlan *
world_plan (World *world, const char *self)
{
  VrFacts facts = world_facts (world, self);

  return vr_plan_make (&facts);
}
