/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What link.c and vici-worker.c agree on. */
#pragma once

#define VR_VICI_WORKER_FD 3 /* the worker's end of the socket pair */
#define VR_VICI_WORKER_ENV "VIRT_RELAY_VICI_WORKER" /* the program's path, for tests of what is not installed */

/* Events of the worker's own, its last word; "why" in the message. */
#define VR_VICI_WORKER_REFUSED "worker-refused"   /* no connection to charon */
#define VR_VICI_WORKER_NONSENSE "worker-nonsense" /* charon's message is malformed */
