/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records of one guest, web1, whose home is h1, for tests of the book. */
#pragma once

#include "daemon/model/book.h"

#include <string.h>

#define UUID "c7a5fdbd-edaf-9455-926a-d65c16db1809"

/* A record of the guest: who wrote it, what it says, and the hosts it names. */
static inline VrRecord *
make (guint64 epoch, VrState state, const char *owner, const char *origin, const char *target, const char *writer, guint64 seq)
{
  VrRecord *record = vr_record_new (UUID, "web1");

  record->epoch = epoch;
  record->state = state;
  record->owner = g_strdup (owner);
  record->origin = g_strdup (origin);
  record->target = g_strdup (target);
  record->home = g_strdup ("h1");
  record->writer = g_strdup (writer);
  record->seq = seq;
  record->time_us = seq;
  return record;
}

/* It is not believed, and kept aside. */
static inline void
add_in_vain (VrBook *book, VrRecord *made)
{
  g_autoptr (VrRecord) record = made;
  g_autoptr (GError) error = NULL;

  g_assert_false (vr_book_add_record (book, record, &error));
  g_assert_error (error, VR_RECORD_ERROR, VR_RECORD_ERROR_WAITS);
  g_assert_nonnull (strstr (error->message, record->writer));
}

static inline gboolean
add (VrBook *book, VrRecord *made)
{
  g_autoptr (VrRecord) record = made;
  g_autoptr (GError) error = NULL;
  gboolean changed = vr_book_add_record (book, record, &error);

  g_assert_no_error (error);
  return changed;
}

static inline VrRecord *
running (guint64 epoch, const char *owner, guint64 seq)
{
  return make (epoch, VR_STATE_RUNNING, owner, NULL, NULL, owner, seq);
}

static inline VrRecord *
incoming (guint64 epoch, const char *owner, const char *target, guint64 seq)
{
  return make (epoch, VR_STATE_INCOMING, owner, owner, target, target, seq);
}

static inline const VrRecord *
custody (VrBook *book)
{
  const VrGuest *guest = vr_book_guest (book, UUID);

  return guest ? guest->custody : NULL;
}

static inline const char *
intent_target (VrBook *book)
{
  const VrGuest *guest = vr_book_guest (book, UUID);

  return guest && guest->intent ? guest->intent->target : NULL;
}
