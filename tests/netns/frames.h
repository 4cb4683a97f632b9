/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames as the kernel gives them to a tap: Ethernet, IPv4 or IPv6, UDP or TCP, their checksums complete or still partial; and taps. */
#pragma once

#include <glib.h>
#include <linux/virtio_net.h>

#define FRAME_MAX (64 * 1024 + 128)
#define GUEST_MAC "52:54:00:00:00:01"
#define GATEWAY_MAC "52:54:00:00:00:fe"

typedef struct {
  struct virtio_net_hdr header;
  gsize                 len;
  guint8                pad[2]; /* so that the headers above Ethernet's are aligned */
  guint8                data[FRAME_MAX];
} Frame;

/* From the gateway to the guest. UDP: the payload is `text`. Partial: its checksum is left to be completed. */
Frame *frame_udp (const char *from, const char *to, guint16 port, const char *text, gboolean partial);
/* TCP: `segments` of `size` bytes each, as one GSO frame (1: an ordinary one). */
Frame *frame_tcp (const char *from, const char *to, guint segments, guint size);
/* Sets the flags and the offset of an IPv4 packet, which otherwise must not be fragmented. */
void   frame_set_offset (Frame *frame, guint16 flags_and_offset);
/* Anything: a frame of that Ethernet type, `len` bytes of payload. */
Frame *frame_other (const char *to_mac, guint16 type, gsize len);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Frame, g_free)

/* Is the checksum of this frame's UDP or TCP right, and its IPv4 header's? Or the latter alone? */
gboolean frame_is_right (const guint8 *frame, gsize len);
gboolean frame_header_is_right (const guint8 *frame);
/* The UDP payload of a frame, or NULL; (transfer full) */
char    *frame_text (const guint8 *frame, gsize len);

/* A tap in this namespace, up, without offloads; flags: IFF_VNET_HDR, IFF_MULTI_QUEUE. Non-blocking. */
int tap_open (const char *name, int flags);
/* The next frame within 20 s, without its virtio_net_hdr if the tap has one; its size. IPv6's own chatter is left out. */
gsize tap_read (int fd, gboolean has_header, guint8 *frame, gsize size);
