/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The event: what virt-relay-hook hands to virt-relayd. Constants only; the hook writes the format with plain libc
 * (hooks/virt-relay-hook.c), the daemon reads it with GLib (daemon/virt/hook-event.h).
 *
 * The same bytes go over the socket and into a spool file:
 *
 *     virt-relay-event 1
 *     guest: NAME
 *     operation: migrate
 *     sub-operation: begin
 *     reason: -
 *     time: REALTIME_MICROSECONDS
 *     length: BYTES_OF_XML
 *     (an empty line)
 *     <domain ...>, exactly BYTES_OF_XML bytes, then the end of the stream
 *
 * - A header line is KEY, ": ", VALUE, "\n". A reader ignores keys that it does not know; every key above stands
 *   exactly once.
 * - In a value each byte below 0x20, 0x7f and '%' is written as %XX (two hexadecimal digits). Decoded values are UTF-8.
 * - "reason" is the extra argument of libvirt's hook: "-", or from libvirt 10.5 on why the guest ended ("migrated",
 *   ...).
 * - "length" tells a whole event from one whose writer was killed halfway.
 * - On the socket the writer closes its sending half; the reader that has the whole event answers "ok\n". A reader
 *   that gets anything else closes the connection and answers nothing: the writer then leaves the event in the spool.
 * - guest, operation, sub-operation and time together identify an event: it may arrive over the socket and in the
 *   spool too.
 *
 * A spool file's name is TIME-PID.event, TIME of 20 digits, so that names sort by time. A name that starts with '.' is a
 * file that is still being written.
 */
#pragma once

#define VR_EVENT_MAGIC "virt-relay-event 1"
#define VR_EVENT_KEY_GUEST "guest"
#define VR_EVENT_KEY_OPERATION "operation"
#define VR_EVENT_KEY_SUB_OPERATION "sub-operation"
#define VR_EVENT_KEY_REASON "reason"
#define VR_EVENT_KEY_TIME "time"
#define VR_EVENT_KEY_LENGTH "length"
#define VR_EVENT_ACK "ok\n"

#define VR_EVENT_MAX_XML (16 * 1024 * 1024) /* bytes of XML; an event with more is refused by writer and reader */
#define VR_EVENT_MAX_HEADER (16 * 1024)     /* bytes up to and with the empty line */
#define VR_EVENT_ACK_TIMEOUT_MS 50          /* connect, send and wait for the answer, all together */
#define VR_EVENT_INPUT_TIMEOUT_MS 1000      /* for the end of the hook's standard input */

#define VR_SPOOL_SUFFIX ".event"
#define VR_SPOOL_NAME_FORMAT "%020lld-%d" VR_SPOOL_SUFFIX /* time in microseconds (long long), pid (int) */
#define VR_SPOOL_BAD_DIR "bad"                            /* under the spool: files that are no events */
#define VR_SPOOL_MAX_FILES 4096                           /* a full spool takes no more */

/* Every operation of libvirt's qemu hook: the enum's suffix, the word. */
#define VR_EVENT_OPERATIONS(X) \
  X (PREPARE, "prepare")       \
  X (START, "start")           \
  X (STARTED, "started")       \
  X (STOPPED, "stopped")       \
  X (RELEASE, "release")       \
  X (MIGRATE, "migrate")       \
  X (RESTORE, "restore")       \
  X (RECONNECT, "reconnect")   \
  X (ATTACH, "attach")
