/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every name of virt-relay's that crosses a border: paths, D-Bus, XML, the kernel, the environment. Constants only, so that
 * the hook, the CLI and the tests may include it without linking the daemon.
 */
#pragma once

/* Paths; the environment variables move them in tests, and nothing else does. */
#define VR_CONFIG_FILE "/etc/virt-relay.conf"
#define VR_RUN_DIR "/run/virt-relay"
#define VR_STATE_DIR "/var/lib/virt-relay"
#define VR_QEMU_RUN_DIR "/run/libvirt/qemu"     /* libvirt's: NAME.pid, the process of each guest */
#define VR_HOOK_SOCKET VR_RUN_DIR "/hook.sock"  /* the daemon listens, virt-relay-hook connects */
#define VR_SPOOL_DIR VR_STATE_DIR "/spool"      /* events that the daemon was not there to take */
#define VR_LOG_DIR VR_STATE_DIR "/log"          /* the file engine's default directory */
#define VR_ETCD_DIR VR_STATE_DIR "/etcd"        /* the etcd engine's copy, and what waits */
#define VR_ETCD_PREFIX "/virt-relay"            /* the default of [log] prefix: where our keys stand */
#define VR_ENV_HOOK_SOCKET "VIRT_RELAY_HOOK_SOCKET"
#define VR_ENV_SPOOL_DIR "VIRT_RELAY_SPOOL_DIR"

/* D-Bus; the interface itself is daemon/data/org.virtrelay1.xml */
#define VR_BUS_NAME "org.virtrelay1"
#define VR_BUS_PATH "/org/virtrelay1"
#define VR_BUS_ERROR_UNKNOWN_GUEST "org.virtrelay1.Error.UnknownGuest"
#define VR_BUS_ERROR_UNKNOWN_HOST "org.virtrelay1.Error.UnknownHost"
#define VR_BUS_ERROR_FAILED "org.virtrelay1.Error.Failed"

/* Fields of journal entries: VIRT_RELAY_GUEST and so on, virt-relayd(8) */
#define VR_JOURNAL_PREFIX "VIRT_RELAY_"

/* <metadata> of a guest: <virt-relay:guest xmlns:virt-relay="urn:virt-relay:guest:1" .../> */
#define VR_METADATA_NS "urn:virt-relay:guest:1"
#define VR_METADATA_PREFIX "virt-relay"
#define VR_METADATA_ELEMENT "guest"
#define VR_METADATA_TOKEN_LENGTH 64 /* of its token: hexadecimal digits */

/* The kernel: what carries one of these is ours, nothing else is touched. */
#define VR_LINK_PREFIX "vr-"       /* tunnel interfaces: vr-PEER, alias = the peer's full name */
#define VR_LINK_ADDRESS "192.0.0.8" /* on each of them, of host scope: the dummy address of RFC 7600 */
#define VR_LINK_GROUP 118          /* the link group that they are in: a vr- interface of somebody else's is not */
#define VR_HOLD_LINK "vr-+hold"    /* where packets wait while a path changes; "+": no host has such a name */
#define VR_ROUTE_PROTOCOL 118      /* RTA protocol of our routes, rules and neighbours */
#define VR_TABLE_GUESTS 30321      /* one route for each guest address that is here or relayed */
#define VR_TABLE_ARMED 30322       /* guests on their way here: only for packets from the origin's tunnel */
#define VR_TABLE_NETWORKS 30323    /* the other hosts' guest networks */
#define VR_RULE_ARMED 7600         /* priorities of our rules, in the order they are looked at */
#define VR_RULE_GUESTS 7610
#define VR_RULE_AWAY 7620
#define VR_RULE_NETWORKS 7630
#define VR_METRIC 10               /* of the routes that lead somewhere */
#define VR_METRIC_BEHIND 20        /* of those that lead somewhere else when one of these is gone */
#define VR_METRIC_UNREACHABLE 4000 /* of the unreachable routes behind them */
#define VR_NFT_TABLE "virt-relay"  /* table inet virt-relay, and table bridge virt-relay */
