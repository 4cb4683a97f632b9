/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One event of libvirt's qemu hook, and the reader of the format in hooks/event.h. Knows no libvirt, no socket and no
 * file.
 */
#pragma once

#include <glib-object.h>

#include "hooks/event.h"

G_BEGIN_DECLS

typedef enum {
#define VR_HOOK_OPERATION_MEMBER(suffix, word) VR_HOOK_##suffix,
  VR_EVENT_OPERATIONS (VR_HOOK_OPERATION_MEMBER)
#undef VR_HOOK_OPERATION_MEMBER
    VR_HOOK_N_OPERATIONS
} VrHookOperation;

/*
 * Immutable once made; reference counted, from any thread. Strings are UTF-8, belong to the event and are never NULL.
 */
typedef struct {
  char *guest;               /* the guest's name, as libvirt passes it */
  VrHookOperation operation; /* VR_HOOK_MIGRATE, ... */
  char *sub_operation;       /* "begin", "end", "-" */
  char *reason;              /* libvirt's extra argument: "-", or why the guest ended, e.g. "migrated" (libvirt >= 10.5) */
  gint64 time_us;            /* the hook's wall clock in microseconds since 1970 */
  char *xml;                 /* the domain XML, NUL-terminated; not checked: it may be no XML at all */
  gsize xml_len;             /* bytes without the NUL */
} VrHookEvent;

#define VR_TYPE_HOOK_EVENT (vr_hook_event_get_type ())
GType vr_hook_event_get_type (void);

#define VR_HOOK_EVENT_ERROR (vr_hook_event_error_quark ())
GQuark vr_hook_event_error_quark (void);

typedef enum {
  VR_HOOK_EVENT_ERROR_FORMAT,    /* not the format of hooks/event.h */
  VR_HOOK_EVENT_ERROR_TRUNCATED, /* the writer was cut off */
  VR_HOOK_EVENT_ERROR_TOO_LARGE, /* over the limits of hooks/event.h */
} VrHookEventErrorCode;

/*
 * Reads one whole event from `data`, `len` bytes; nothing may follow it. Gives a new event (vr_hook_event_unref()), or
 * NULL with an error of VR_HOOK_EVENT_ERROR that says what is wrong with the bytes.
 */
VrHookEvent *vr_hook_event_parse (const char *data, gsize len, GError **error);

/* Takes and gives back one reference. Any thread. */
VrHookEvent *vr_hook_event_ref (VrHookEvent *event);
void vr_hook_event_unref (VrHookEvent *event);

/* The word for an operation, e.g. "migrate"; static. */
const char *vr_hook_operation_to_string (VrHookOperation operation);

/* The operation of a word; gives FALSE, and leaves *operation alone, when it is none of libvirt's qemu hook. */
gboolean vr_hook_operation_from_string (const char *word, VrHookOperation *operation);

/*
 * What tells an event from all others (time, operation, sub-operation, guest), as one string; g_free(). When an
 * acknowledgement is lost the hook spools what the socket has already delivered: both have the same identity.
 */
char *vr_hook_event_identity (const VrHookEvent *event);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrHookEvent, vr_hook_event_unref)

G_END_DECLS
