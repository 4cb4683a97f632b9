/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * strongSwan's VICI for a GLib main loop.
 *
 * A VrVici keeps itself connected to one charon, runs commands without blocking the caller, and tells what charon does by
 * signals. It belongs to one thread: create it, call it and drop it in the thread whose GMainContext was the thread-default at
 * creation. Signals and callbacks come in that context.
 *
 * A command goes to charon only while is-connected is TRUE; otherwise it fails at once with VR_VICI_ERROR_NOT_CONNECTED. So the way
 * to use it is: on "connected", load what must be there, then list what is there; afterwards follow the signals.
 * Events are registered before "connected" is sent, so what happens after a listing is not missed.
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define VR_VICI_ERROR (vr_vici_error_quark ())
typedef enum {
  VR_VICI_ERROR_NOT_CONNECTED, /* charon is away, or hangs; the command was not sent. Wait for "connected". */
  VR_VICI_ERROR_LOST,          /* the connection broke while the command ran; charon may or may not have done it */
  VR_VICI_ERROR_TIMEOUT,       /* no answer within the deadline; charon may still do it later */
  VR_VICI_ERROR_REFUSED,       /* charon said no; the message has its reason */
  VR_VICI_ERROR_PROTOCOL,      /* charon does not know the command, or its answer makes no sense */
  VR_VICI_ERROR_INVALID,       /* an argument that VICI cannot carry: empty, too long */
  VR_VICI_ERROR_CLOSED,        /* vr_vici_close() was called */
} VrViciError;
GQuark vr_vici_error_quark (void);

#define VR_VICI_DEFAULT_URI "unix:///run/charon.vici"
#define VR_VICI_DEFAULT_TIMEOUT_MS 5000

#define VR_TYPE_VICI (vr_vici_get_type ())
G_DECLARE_FINAL_TYPE (VrVici, vr_vici, VR, VICI, GObject)

/*
 * What charon says of its SAs. Strings are never NULL ("" where charon said nothing) and valid UTF-8; arrays end in NULL.
 */
typedef struct {
  char   *name;       /* of the child's configuration */
  guint64 unique_id;
  guint64 reqid;
  char   *state;      /* "INSTALLED", "REKEYING", ... */
  char   *mode;       /* "TUNNEL", "TRANSPORT", ... */
  guint32 if_id_in, if_id_out; /* 0: none, or a kernel interface of charon's that has no such thing */
  char  **local_ts;   /* "10.0.0.0/24", "::/0", "10.1.0.1/32[tcp/80]", ...: as negotiated */
  char  **remote_ts;
  guint64 bytes_in, packets_in, bytes_out, packets_out;
  guint64 install_s;  /* installed this many seconds ago */
} VrViciChildSa;

typedef struct {
  char      *name;    /* of the connection */
  guint64    unique_id;
  char      *state;   /* "CONNECTING", "ESTABLISHED", "REKEYING", "DELETING", ... */
  gboolean   initiator; /* this side started it */
  char      *local_host, *local_id;
  char      *remote_host, *remote_id;
  guint64    established_s; /* established this many seconds ago; 0: not yet */
  GPtrArray *children; /* of VrViciChildSa, freed with it */
} VrViciIkeSa;

void vr_vici_child_sa_free (VrViciChildSa *sa);
void vr_vici_ike_sa_free (VrViciIkeSa *sa);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrViciChildSa, vr_vici_child_sa_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrViciIkeSa, vr_vici_ike_sa_free)

/* TRUE for a CHILD_SA that carries traffic: installed, rekeying or rekeyed. */
gboolean vr_vici_child_sa_is_up (const VrViciChildSa *sa);

/*
 * Makes one; it connects by itself as soon as the main loop runs, and again whenever the connection breaks. A process of its own
 * talks to charon, and ends with it.
 * uri: "unix://PATH" or "tcp://HOST:PORT"; NULL: VR_VICI_DEFAULT_URI.
 *
 * Properties:
 *   "uri"           string, construct-only
 *   "is-connected"  boolean, read-only, notifies
 *   "probe-ms"      uint, 50 to 60000, default 1000: how often charon is asked whether it is there
 *   "hang-ms"       uint, 50 to 60000, default 3000: a charon that does not answer for so long, and longer than the command's
 *                   deadline, counts as hanging; what is asked of it then fails at once, until it answers again
 * Signals:
 *   "connected"     void (VrVici *)
 *   "disconnected"  void (VrVici *, const GError *why): charon went away, hangs, or was restarted. Pending commands
 *                   fail. SAs may live on in the kernel; connections and secrets are gone if charon was restarted.
 *   "ike-updown"    void (VrVici *, gboolean up, const VrViciIkeSa *ike): ike has no children
 *   "child-updown"  void (VrVici *, gboolean up, const VrViciIkeSa *ike, const VrViciChildSa *child): ike has this child only
 *   "ike-rekey"     void (VrVici *, const VrViciIkeSa *old, const VrViciIkeSa *new): charon sends no updown for a rekeying
 *   "child-rekey"   void (VrVici *, const VrViciIkeSa *ike, const VrViciChildSa *old, const VrViciChildSa *new)
 *   "log"           void (VrVici *, const char *ike, guint64 unique_id, const char *line): what charon logs, at its default level, about an
 *                   IKE_SA of the connection ike. For people: the only place that says why a negotiation failed.
 * What a signal passes is valid during the emission only.
 */
VrVici  *vr_vici_new (const char *uri);
gboolean vr_vici_is_connected (VrVici *vici);

/* Why it is not connected, for people, with the cure; NULL while it is. Valid until the main loop runs again. */
const char *vr_vici_trouble (VrVici *vici);

/*
 * Ends it: pending commands fail with VR_VICI_ERROR_CLOSED (their callbacks run from the main loop), no signal comes any more.
 * SAs, connections and secrets in charon stay. Dropping the last reference does the same, but a pending command holds a
 * reference, so whoever may have some pending calls this first. Never blocks; may be called twice.
 */
void vr_vici_close (VrVici *vici);

/*
 * Commands.
 *
 * All are asynchronous in GIO's way: the callback comes exactly once, never from within the call itself. timeout_ms is the deadline,
 * counted from the call; 0: VR_VICI_DEFAULT_TIMEOUT_MS. At the deadline, or when cancelled, the caller is told at once
 * (VR_VICI_ERROR_TIMEOUT, G_IO_ERROR_CANCELLED), whatever charon does; what charon still answers is dropped.
 * Commands run one after the other in the order of the calls. Arguments are copied before the call returns.
 * Those that give only success or failure end in vr_vici_finish().
 */
gboolean vr_vici_finish (VrVici *vici, GAsyncResult *result, GError **error);

typedef enum { VR_VICI_AUTH_PSK, VR_VICI_AUTH_PUBKEY } VrViciAuth;

/* One child of a connection. start_action and close_action are none and dpd_action is clear: the caller decides. */
typedef struct {
  const char        *name;      /* required, at most 255 bytes, unique in its connection */
  const char *const *local_ts;  /* NULL-terminated, "10.0.0.0/24", "::/0", ...; NULL: "dynamic", the address of the IKE_SA */
  const char *const *remote_ts; /* likewise */
  const char *const *esp_proposals; /* "aes256gcm16-ecp384", ...; NULL: charon's default */
  guint32            if_id_in, if_id_out; /* XFRM interface; 0: none */
  int                rekey_s;   /* CHILD_SA lifetime until rekeying, at least 10: a tenth later it ends; 0: 1 h, negative: never */
  int                replay_window; /* packets; 0: charon's default (32), negative: no check */
} VrViciChild;

/* One connection, IKEv2, one authentication round each way. Everything is borrowed for the time of the call only. */
typedef struct {
  const char        *name;      /* required, at most 255 bytes; loading again under the same name replaces it */
  const char *const *local_addrs;  /* NULL-terminated; addresses or host names; NULL: any */
  const char *const *remote_addrs; /* likewise; an initiator needs one */
  const char        *local_id;  /* IKE identity: "h1.virt-relay", "@fqdn", "CN=..."; NULL: the address, or the certificate's subject */
  const char        *remote_id; /* NULL: any */
  VrViciAuth         auth;      /* both ways */
  GBytes *const     *certs;     /* PUBKEY: own certificate, PEM or DER, then its intermediates; NULL-terminated, or NULL */
  GBytes *const     *ca_certs;  /* PUBKEY: the peer's must come from one of these; NULL-terminated; NULL: any trusted CA */
  const char *const *proposals; /* IKE: "aes256gcm16-prfsha384-ecp384", ...; NULL: charon's default */
  guint              dpd_delay_s; /* a silent peer is asked whether it lives after so long; 0: never */
  int                rekey_s;   /* IKE_SA lifetime until rekeying; 0: charon's default (4 h), negative: never */
  gboolean           mobike;    /* follow address changes; off for hosts with fixed addresses */
  const char        *unique;    /* second IKE_SA of the same identities: "no", "never", "keep", "replace"; NULL: "no" */
  const VrViciChild *children;
  gsize              n_children;
} VrViciConnection;

/* A proposal or address that charon cannot read is refused, with charon's reason. */
void vr_vici_load_conn (VrVici *vici, const VrViciConnection *conn, guint timeout_ms, GCancellable *cancellable,
                        GAsyncReadyCallback callback, gpointer user_data);

/* Leaves SAs that came from it alone. An unknown name is refused. */
void vr_vici_unload_conn (VrVici *vici, const char *name, guint timeout_ms, GCancellable *cancellable,
                          GAsyncReadyCallback callback, gpointer user_data);

/* A pre-shared key. id: the name to unload or replace it by; owners: NULL-terminated IKE identities; NULL: anyone. */
void vr_vici_load_shared (VrVici *vici, const char *id, const char *const *owners, GBytes *secret, guint timeout_ms,
                          GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);

/* An unknown id is no error. */
void vr_vici_unload_shared (VrVici *vici, const char *id, guint timeout_ms, GCancellable *cancellable,
                            GAsyncReadyCallback callback, gpointer user_data);

/*
 * A certificate, PEM or DER; is_ca: it must be a CA's. charon trusts a CA's certificate as such in any case. It stays until charon ends
 * or someone clears the credentials.
 */
void vr_vici_load_cert (VrVici *vici, GBytes *data, gboolean is_ca, guint timeout_ms, GCancellable *cancellable,
                        GAsyncReadyCallback callback, gpointer user_data);

/* An unencrypted private key, PEM or DER, of any type. Stays likewise. */
void vr_vici_load_key (VrVici *vici, GBytes *data, guint timeout_ms, GCancellable *cancellable, GAsyncReadyCallback callback,
                       gpointer user_data);

/*
 * Starts to bring up a child and returns at once; the outcome comes as "child-updown", or never: look with list_sas.
 * Success means only that charon took the order. What is wrong in the negotiation stands in charon's log.
 * ike: the connection's name.
 */
void vr_vici_initiate (VrVici *vici, const char *ike, const char *child, guint timeout_ms, GCancellable *cancellable,
                       GAsyncReadyCallback callback, gpointer user_data);

/*
 * Starts to take down SAs and returns at once; the outcome comes as signals. Which: an IKE_SA by its unique_id, or, if that is 0, all of
 * the connection ike; with child, only those children of it. Nothing that fits: REFUSED.
 * force: forget the IKE_SA without waiting for a peer that may be dead.
 */
void vr_vici_terminate (VrVici *vici, const char *ike, guint64 unique_id, const char *child, gboolean force, guint timeout_ms,
                        GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);

/*
 * All IKE_SAs, the user's too; ike: only those of this connection; NULL: all. Gives (transfer full) an array of VrViciIkeSa. An IKE_SA with more
 * than about 1,500 children is left out by charon: it does not fit a message.
 */
void       vr_vici_list_sas (VrVici *vici, const char *ike, guint timeout_ms, GCancellable *cancellable,
                             GAsyncReadyCallback callback, gpointer user_data);
GPtrArray *vr_vici_list_sas_finish (VrVici *vici, GAsyncResult *result, GError **error);

/* Names of the connections that came over VICI, ours and others'. Gives (transfer full) a NULL-terminated array. */
void   vr_vici_list_conns (VrVici *vici, guint timeout_ms, GCancellable *cancellable, GAsyncReadyCallback callback,
                           gpointer user_data);
char **vr_vici_list_conns_finish (VrVici *vici, GAsyncResult *result, GError **error);

/* Gives (transfer full) "charon-systemd 5.9.8", say. */
void  vr_vici_version (VrVici *vici, guint timeout_ms, GCancellable *cancellable, GAsyncReadyCallback callback,
                       gpointer user_data);
char *vr_vici_version_finish (VrVici *vici, GAsyncResult *result, GError **error);

G_END_DECLS
