/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The single values of virt-relay.conf: text to value, each with its check. config.c says which key holds which.
 *
 * A reader takes the key's text, not empty, without white space around it, and stores the value, which the caller owns,
 * in *field, a pointer to the type named beside it; an old value there is freed. On failure it leaves the field alone
 * and fails with VR_CONFIG_ERROR_INVALID; the message says what is wrong with the text and what would be right, and
 * names neither file nor key. Any thread.
 */
#pragma once

#include "daemon/config.h"

G_BEGIN_DECLS

#define VR_CONFIG_MAX_SECONDS 3600
#define VR_CONFIG_MIN_MTU 1280 /* IPv6's, RFC 8200 section 5 */
#define VR_CONFIG_MAX_MTU 9000
#define VR_CONFIG_MAX_MEBIBYTES 4096
#define VR_CONFIG_MAX_DAYS 3650
#define VR_CONFIG_MAX_THRESHOLD 1000000

typedef gboolean (*VrConfigRead) (const char *text, gpointer field, GError **error);

gboolean vr_config_read_host_name (const char *text, gpointer field, GError **error);     /* char *: [A-Za-z0-9._-]{1,63} */
gboolean vr_config_read_addresses (const char *text, gpointer field, GError **error);     /* char **: canonical, no two alike */
gboolean vr_config_read_networks (const char *text, gpointer field, GError **error);      /* char **: "gateway/prefix" */
gboolean vr_config_read_reach (const char *text, gpointer field, GError **error);         /* char **: host names, or "*" alone */
gboolean vr_config_read_hosts (const char *text, gpointer field, GError **error);         /* char **: host names */
gboolean vr_config_read_trusted_networks (const char *text, gpointer field, GError **error); /* char **: "HOST:NETWORK" */
gboolean vr_config_read_start (const char *text, gpointer field, GError **error);         /* gboolean: anywhere, else home */
gboolean vr_config_read_intents (const char *text, gpointer field, GError **error);       /* gboolean: any, else proven */
gboolean vr_config_read_interface (const char *text, gpointer field, GError **error);     /* char *: a device, none of ours */
gboolean vr_config_read_identity (const char *text, gpointer field, GError **error);      /* char *: one line of printable text */
gboolean vr_config_read_libvirt_uri (const char *text, gpointer field, GError **error);   /* char *: QEMU's driver, on this host */
gboolean vr_config_read_directory (const char *text, gpointer field, GError **error);     /* char *: absolute; need not exist */
gboolean vr_config_read_engine (const char *text, gpointer field, GError **error);        /* VrEngine */
gboolean vr_config_read_endpoints (const char *text, gpointer field, GError **error);     /* char **: URLs, see etcd_endpoints */
gboolean vr_config_read_prefix (const char *text, gpointer field, GError **error);        /* char *: "/a/b", no "/" at its end */
gboolean vr_config_read_user (const char *text, gpointer field, GError **error);          /* char *: one line of printable text */
gboolean vr_config_read_days (const char *text, gpointer field, GError **error);          /* guint: seconds, from "90d" */
gboolean vr_config_read_auth (const char *text, gpointer field, GError **error);          /* VrAuth */
gboolean vr_config_read_psk_file (const char *text, gpointer field, GError **error);      /* char *: the secret in that file */
gboolean vr_config_read_public_file (const char *text, gpointer field, GError **error);   /* char *: the name of a readable file */
gboolean vr_config_read_private_file (const char *text, gpointer field, GError **error);  /* char *: likewise, closed to others */
gboolean vr_config_read_listen (const char *text, gpointer field, GError **error);        /* char *: a path, or ADDRESS:PORT */
gboolean vr_config_read_vici_socket (const char *text, gpointer field, GError **error);   /* char *: "unix://…" */
gboolean vr_config_read_proposals (const char *text, gpointer field, GError **error);     /* char *: joined by commas */
gboolean vr_config_read_esp_proposals (const char *text, gpointer field, GError **error); /* char *: likewise, encrypting */
gboolean vr_config_read_seconds (const char *text, gpointer field, GError **error);       /* guint: 1 to VR_CONFIG_MAX_SECONDS */
gboolean vr_config_read_mtu (const char *text, gpointer field, GError **error);           /* guint: bytes */
gboolean vr_config_read_direct (const char *text, gpointer field, GError **error);        /* VrDirect */
gboolean vr_config_read_flag (const char *text, gpointer field, GError **error);          /* gboolean: yes or no */
gboolean vr_config_read_mebibytes (const char *text, gpointer field, GError **error);     /* guint: 1 to VR_CONFIG_MAX_MEBIBYTES */
gboolean vr_config_read_threshold (const char *text, gpointer field, GError **error);     /* guint: packets */

G_END_DECLS
