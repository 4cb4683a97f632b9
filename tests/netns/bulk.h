/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A TCP connection from one host to another that sends as fast as it can. */
#pragma once

#include <glib.h>

typedef struct _Bulk Bulk;

Bulk   *bulk_new (const char *from_host, const char *to_host, const char *to);
void    bulk_await (Bulk *bulk, gsize more); /* runs the main loop until so many bytes more have arrived */
/* Ends it; asserts that all that was sent has arrived, as it was sent; frees it. Gives how many bytes that were. */
guint64 bulk_stop (Bulk *bulk);
