/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /etc/virt-relay.conf, a keyfile, parsed strictly: an unknown group or key, a bad value or a missing one is an error that names
 * file, group and key, and says what would be right. virt-relay.conf(5) explains each key.
 */
#pragma once

#include "daemon/model/plan.h"

G_BEGIN_DECLS

#define VR_CONFIG_ERROR (vr_config_error_quark ())
typedef enum { VR_CONFIG_ERROR_READ, VR_CONFIG_ERROR_INVALID } VrConfigError;
GQuark vr_config_error_quark (void);

typedef enum { VR_ENGINE_FILE, VR_ENGINE_ETCD } VrEngine;
typedef enum { VR_AUTH_PSK, VR_AUTH_CERTIFICATE } VrAuth;

typedef struct {
  /* [host] */
  /* name (default: the host name up to the first dot), underlay (required), networks, reach, identity (default:
   * NAME.virt-relay); macs empty */
  VrHost *host;
  char   *bridge; /* bridge of the guest networks; NULL if networks is empty */
  /* [libvirt] */
  char   *libvirt_uri; /* default qemu:///system */
  /* [log] */
  VrEngine engine;                              /* default file */
  char    *log_directory;                       /* default VR_LOG_DIR; engine = file */
  char   **etcd_endpoints;                      /* URLs without a path, with a port, all http or all https; engine = etcd, as all that follow */
  char    *etcd_prefix;                         /* default VR_ETCD_PREFIX */
  char    *etcd_ca, *etcd_certificate, *etcd_key; /* file names; NULL: the system's CAs; no certificate. The last two go together */
  char    *etcd_user, *etcd_password;           /* the password is the contents of password-file; both or none */
  guint    etcd_history_s;                      /* default 90 days */
  /* [trust] */
  VrTrust trust; /* networks: any; start: anywhere; intents: proven; take-over: nobody */
  /* [tunnel] */
  VrAuth  auth;
  char   *psk;                             /* contents of psk-file (closed to others), trailing newline cut; auth = psk */
  char   *certificate, *key, *ca;          /* file names; auth = certificate */
  char   *vici_uri;                        /* default unix:///run/charon.vici */
  char   *proposals, *esp_proposals;       /* strongSwan's notation; joined by commas; default: AES-GCM with ECP 384 or X25519 */
  guint   dpd_delay_s;                     /* default 10 */
  guint   takeover_delay_s;                /* default 3: after which the side that follows initiates all the same */
  guint   mtu;                             /* default 1400: of the tunnels' interfaces, bytes */
  /* [path] */
  VrDirect direct;                         /* default build: may a peer's tunnel to a moved guest's host be used, and made */
  guint   threshold;                       /* default 10: straight answers after which a peer sends straight */
  guint   confirm_after_s;                 /* default 5: after which it does so without answers */
  gboolean ordered;                        /* default yes: no packet on the straight way overtakes one on the relay's */
  /* [migration] */
  guint   intent_timeout_s;                /* default 10: an announced guest of which libvirt here knows nothing is withdrawn */
  guint   linger_s;                        /* default 15: what still comes for a guest that went home is relayed for so long */
  gboolean lossless;                       /* default yes: what had reached a guest's taps when it was stopped goes after it */
  guint   copies_memory_mib;               /* default 8: of a leaving guest's NIC: copies of what its tap was sent */
  guint   kept_memory_mib;                 /* default 16: of a leaving guest: copies of what left for the target, in case it comes back */
  guint   queue_memory_mib;                /* default 64: that the queue of a tap may take whose guest comes here */
  /* [metrics] */
  char   *metrics_listen;                  /* path of a socket, or ADDRESS:PORT; NULL: no metrics */
} VrConfig; /* not to be changed once loaded */

/*
 * Reads the file at `path`, or `len` bytes at `data`, and the files that they name (psk-file, certificate, key, ca). Gives a whole
 * and valid configuration (vr_config_free()), or NULL with an error of VR_CONFIG_ERROR whose message is one line. Any thread; waits
 * for the disk.
 */
VrConfig *vr_config_load (const char *path, GError **error);
VrConfig *vr_config_load_data (const char *data, gsize len, const char *name_for_errors, GError **error);
void      vr_config_free (VrConfig *config); /* NULL is fine */

const char *vr_direct_to_string (VrDirect direct); /* as in the file */

/* The keys whose values differ: (transfer full) of char *, "[tunnel] dpd-delay". A new secret in the old psk-file differs too. */
GPtrArray *vr_config_changes (const VrConfig *before, const VrConfig *after);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrConfig, vr_config_free)

G_END_DECLS
