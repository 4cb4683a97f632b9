/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between VrViciMessage and libvici's messages. Only a thread that may block calls these; see link.c. */
#pragma once

#include "libvici.h"
#include "message.h"

G_BEGIN_DECLS

/* message has passed vr_vici_message_check(). What is given is for vici_submit(). */
vici_req_t *vr_vici_wire_request (const char *command, const VrViciMessage *message);

/* A copy of all that res holds, text made valid UTF-8. NULL, VR_VICI_ERROR_PROTOCOL: it is malformed. res stays the caller's. */
VrViciMessage *vr_vici_wire_parse (vici_res_t *res, GError **error);

G_END_DECLS
