/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Route netlink by libmnl: dumps, and batches of requests of which each is acknowledged. Synchronous; the kernel answers
 * these requests before sendmsg() returns, so nothing here waits.
 */
#pragma once

#include "kernel.h"
#include "trouble.h"

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

G_BEGIN_DECLS

/* ---- requests ---- */

typedef struct {
  struct nlmsghdr *nlh;      /* owned, VR_REQUEST_SIZE bytes */
  char            *item;     /* "+ route …" or "- route …": what is reported */
  char            *replaces; /* "- route …": what it takes the place of, reported with it; or NULL */
  int              harmless; /* an errno that means it is as wanted already, or 0 */
  int              result;   /* 0, or the kernel's errno */
  char            *why;      /* the kernel's own words, or NULL */
} VrRequest;

#define VR_REQUEST_SIZE 1024

VrRequest *vr_request_new (guint16 type, guint16 flags, char *item /* (transfer full) */);
void       vr_request_free (VrRequest *request);
gpointer   vr_request_header (VrRequest *request, gsize size); /* zeroed room for the fixed header after nlmsghdr */
GPtrArray *vr_batch_new (void);                                /* of VrRequest */

/* An address in text as an attribute; FALSE: `address` is not one. */
gboolean   vr_request_put_address (VrRequest *request, guint16 attribute, const char *address);

/* ---- the socket ---- */

typedef struct _VrRtnl VrRtnl;

VrRtnl    *vr_rtnl_new (GError **error);
void       vr_rtnl_free (VrRtnl *rtnl);
guint32    vr_rtnl_port (const VrRtnl *rtnl); /* what nlmsg_pid says in notifications of changes made through it */
int        vr_rtnl_fd (const VrRtnl *rtnl);
guint32    vr_rtnl_next_seq (VrRtnl *rtnl);

/* Sends all, in order, each whatever became of the others; sets `result` of each. FALSE: the socket itself failed. */
gboolean   vr_rtnl_send (VrRtnl *rtnl, GPtrArray *requests, GError **error);

/* As above, and reports: a success to `changes` (nullable), a failure to `trouble`. */
void       vr_rtnl_run (VrRtnl *rtnl, GPtrArray *requests, GPtrArray *changes, VrTrouble *trouble);

typedef void (*VrRtnlFunc) (const struct nlmsghdr *nlh, gpointer data);

/* Calls `func` for each message of a dump that was not interrupted by changes. A family that this kernel lacks is an
 * empty dump. */
gboolean vr_rtnl_dump (VrRtnl *rtnl, guint16 type, gconstpointer header, gsize size, VrRtnlFunc func, gpointer data,
                       GError **error);

/* ---- reading messages ---- */

/* The attributes of a message by type, up to `max`; later ones are left out. tb has max + 1 places. */
void        vr_attributes (const struct nlmsghdr *nlh, gsize header, const struct nlattr **tb, guint max);
char *vr_attribute_address (const struct nlattr *attribute,
                            int family); /* canonical text; NULL: none, or of another size */
char       *vr_attribute_mac (const struct nlattr *attribute);                 /* likewise */

/* ---- text ---- */

/* "10.9.1.0/24" or "10.9.1.1" in bytes; FALSE: neither. `bytes` has 16 places. Out pointers may be NULL. */
gboolean    vr_prefix_parse (const char *text, guint8 *bytes, int *family, guint8 *length);
gboolean    vr_mac_parse (const char *text, guint8 mac[6]);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrRtnl, vr_rtnl_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrRequest, vr_request_free)

G_END_DECLS
