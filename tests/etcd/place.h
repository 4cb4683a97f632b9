/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The etcd engine in the place of the file engine, for tests that hold for both: see tests/unit/log-fixture.h. */
#pragma once

#include "member.h"

#define PLACE_KEEPS_ALL FALSE

extern Cluster *place_cluster; /* started at the first use, by place_init() */
void     place_init (void);
void     place_done (void);

/* `dir` is a folder of the test's own; its name is the prefix, and the hosts' copies are in it. */
VrLog   *place_log (const char *dir, const char *host);
void     place_record (const char *dir, const char *uuid, const char *writer, guint64 epoch, guint64 seq);
void     place_lose (const char *dir, const char *host);
GArray  *place_read (const char *dir); /* of VrEntry: all that an export finds there, without a complaint */
gboolean place_has_written (const char *dir, const char *host); /* nothing of it waits on its disk: all that counts is in etcd */
void     place_clear (const char *dir);

VrEtcdOptions *place_options (const char *dir);
char          *place_copy (const char *dir, const char *host); /* the folder of its copy */
