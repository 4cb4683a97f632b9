/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbered datagrams, thousands a second, from one host to another, and what became of them. */
#pragma once

#include <glib.h>

typedef struct _Stream Stream;

typedef struct {
  guint sent, lost, duplicated;
  guint reordered; /* that came after one with a higher number */
} StreamCounts;

/* From address to address; a thread sends, with that pause between two, until stream_stop(). */
Stream      *stream_new (const char *from_host, const char *from, const char *to_host, const char *to, guint pause_us);
void         stream_await (Stream *stream, guint more); /* runs the main loop until so many more were sent */
StreamCounts stream_stop (Stream *stream);              /* waits until the last one has arrived; frees it */
