/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VICI on the wire: messages and packets to bytes and back. Pure functions, no I/O; see wire.c. */
#pragma once

#include "message.h"

G_BEGIN_DECLS

#define VR_VICI_PACKET_MAX (512 * 1024) /* charon's own limit; what claims to be longer is garbage */
#define VR_VICI_HEADER_LEN 4            /* in front of each packet: its length, big-endian */

typedef enum {
  VR_VICI_CMD_REQUEST = 0,      /* name, message */
  VR_VICI_CMD_RESPONSE = 1,     /* message */
  VR_VICI_CMD_UNKNOWN = 2,
  VR_VICI_EVENT_REGISTER = 3,   /* name */
  VR_VICI_EVENT_UNREGISTER = 4, /* name */
  VR_VICI_EVENT_CONFIRM = 5,
  VR_VICI_EVENT_UNKNOWN = 6,
  VR_VICI_EVENT = 7,            /* name, message */
} VrViciPacketType;

typedef struct {
  VrViciPacketType type;
  char            *name;    /* or NULL */
  VrViciMessage   *message; /* or NULL */
} VrViciPacket;

void vr_vici_packet_clear (VrViciPacket *packet);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (VrViciPacket, vr_vici_packet_clear)

/* The packet with its header. name is at most 255 bytes, message has passed vr_vici_message_check() or is NULL. */
GByteArray *vr_vici_packet_encode (VrViciPacketType type, const char *name, const VrViciMessage *message);

/* data, len: a packet without its header. FALSE, VR_VICI_ERROR_PROTOCOL: it is malformed. packet: to be cleared. */
gboolean vr_vici_packet_decode (const guint8 *data, gsize len, VrViciPacket *packet, GError **error);

G_END_DECLS
