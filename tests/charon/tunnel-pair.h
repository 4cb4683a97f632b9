/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tunnels between two hosts, h1 and h2: two VrTunnels with a real charon each. The kernel is a fake one that only notes which interfaces it
 * was asked for, as charon's kernel-libipsec uses none.
 */
#pragma once

#include "charon.h"
#include "daemon/tunnel/tunnels.h"
#include "harness.h"

struct _VrKernel {
  GObject     parent_instance;
  GHashTable *links;  /* name -> "IF_ID ALIAS" */
  gboolean    broken; /* it makes no interface */
};

typedef struct {
  const char *name;
  Charon     *charon;
  Watched    *watched;
  VrKernel   *kernel;
  VrConfig    config;
  VrTunnels  *tunnels;
  guint       n_changed, n_tries; /* n_tries: that charon began to initiate */
} Host;

typedef struct {
  Host h1, h2;
} Pair;

/* A test's own: both hosts' charons and daemons run, and want nothing. */
void pair_up (Pair *pair, gconstpointer data);
void pair_down (Pair *pair, gconstpointer data);
#define TUNNEL_TEST(path, data, name) g_test_add ("/tunnels/" path, Pair, data, pair_up, test_##name, pair_down)

void daemon_start (Host *host);
void daemon_stop (Host *host); /* as at its exit: charon and the kernel keep what they have. Commands that were pending come back first */

/* What the plan of that host wants from now on. */
void want (Pair *pair, Host *host, VrTunnelWish wish);
void want_at (Host *host, const char *peer, VrTunnelWish wish, const char *address);
void want_nobody (Host *host);
void bring_up (Pair *pair);

gboolean is_up (Pair *pair, Host *host);
gboolean both_up (Pair *pair);
gboolean both_down (Pair *pair);
const char *trouble (Pair *pair, Host *host);
gboolean trouble_says (Pair *pair, Host *host, const char *part);

/* charon's own word. */
guint n_sas (Host *host);
guint64 only_sa (Host *host); /* the id of the only IKE_SA */
gboolean has_conn (Host *host, const char *name);
void swanctl (Host *host, const char *command);
