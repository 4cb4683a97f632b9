/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Waiting, recording and guests, for the tests of daemon/virt against libvirt's test driver and against a real
 * libvirtd.
 */
#pragma once

#include "daemon/virt/virt-handles.h"

#include <stdlib.h>

#define PATIENCE_S 60 /* how long a slow machine may take for what happens at once */

static inline gboolean
ring (gpointer data)
{
  *(gboolean *) data = TRUE;
  return G_SOURCE_REMOVE;
}

static inline gboolean
tick (gpointer data)
{
  return G_SOURCE_CONTINUE;
}

/*
 * Runs the main loop until the condition holds, which another thread may bring about; fails the test if it never
 * does.
 */
#define wait_until(condition)                                                                \
  G_STMT_START                                                                               \
  {                                                                                          \
    gint64 end_ = g_get_monotonic_time () + PATIENCE_S * G_USEC_PER_SEC;                     \
    guint  ticks_ = g_timeout_add (10, tick, NULL);                                          \
    while (!(condition))                                                                     \
      {                                                                                      \
        g_assert_true (g_get_monotonic_time () < end_ && "waited in vain for: " #condition); \
        g_main_context_iteration (NULL, TRUE);                                               \
      }                                                                                      \
    g_source_remove (ticks_);                                                                \
  }                                                                                          \
  G_STMT_END

static inline void
ignore_libvirt_error (void *data, virErrorPtr error)
{
}

static inline void
ignore_log (const char *domain, GLogLevelFlags level, const char *message, gpointer data)
{
}

/*
 * g_test_init(), and less noise: libvirt-glib's, which comes from other threads too and lands in the middle of TAP's
 * lines.
 */
static inline void
virt_test_init (int *argc, char ***argv)
{
  g_test_init (argc, argv, NULL);
  g_log_set_handler (NULL, G_LOG_LEVEL_DEBUG, ignore_log, NULL); /* ours is structured and does not come this way */
  virSetErrorFunc (NULL, ignore_libvirt_error);
}

/* ---- what a VrVirt said ---- */

typedef struct {
  VrVirtWhat what;
  char *uuid, *name;
  gint64 time_us;
  gint64 seen_us; /* wall clock, in the handler */
} SeenEvent;

static inline void
seen_event_free (SeenEvent *seen)
{
  g_free (seen->uuid);
  g_free (seen->name);
  g_free (seen);
}

typedef struct {
  VrVirt *virt;
  GThread *thread;
  guint connected, disconnected;
  char *why;         /* of the last "disconnected" */
  GPtrArray *events; /* of SeenEvent */
} Ear;

static inline void
ear_on_connected (VrVirt *virt, gpointer data)
{
  Ear *ear = data;

  g_assert_true (g_thread_self () == ear->thread);
  g_assert_true (vr_virt_is_connected (virt));
  ear->connected++;
}

static inline void
ear_on_disconnected (VrVirt *virt, const char *why, gpointer data)
{
  Ear *ear = data;

  g_assert_true (g_thread_self () == ear->thread);
  g_assert_false (vr_virt_is_connected (virt));
  g_assert_cmpstr (vr_virt_get_trouble (virt), ==, why);
  ear->disconnected++;
  g_free (ear->why);
  ear->why = g_strdup (why);
}

static inline void
ear_on_event (VrVirt *virt, const VrVirtEvent *event, gpointer data)
{
  Ear       *ear = data;
  SeenEvent *seen = g_new0 (SeenEvent, 1);

  g_assert_true (g_thread_self () == ear->thread);
  seen->what = event->what;
  seen->uuid = g_strdup (event->uuid);
  seen->name = g_strdup (event->name);
  seen->time_us = event->time_us;
  seen->seen_us = g_get_real_time ();
  g_ptr_array_add (ear->events, seen);
}

/* A VrVirt that is listened to; not started. */
static inline void
ear_open (Ear *ear, const char *uri)
{
  *ear = (Ear){ .virt = vr_virt_new (uri, NULL), .thread = g_thread_self () };
  ear->events = g_ptr_array_new_with_free_func ((GDestroyNotify) seen_event_free);
  g_signal_connect (ear->virt, "connected", G_CALLBACK (ear_on_connected), ear);
  g_signal_connect (ear->virt, "disconnected", G_CALLBACK (ear_on_disconnected), ear);
  g_signal_connect (ear->virt, "event", G_CALLBACK (ear_on_event), ear);
}

static inline void
ear_close (Ear *ear)
{
  vr_virt_stop (ear->virt);
  g_signal_handlers_disconnect_by_data (ear->virt, ear);
  g_object_unref (ear->virt);
  g_ptr_array_unref (ear->events);
  g_free (ear->why);
}

/* The first event of this kind, from the index on, about this guest; NULL: none (yet). */
static inline const SeenEvent *
ear_find (const Ear *ear, guint from, VrVirtWhat what, const char *uuid)
{
  for (guint i = from; i < ear->events->len; i++)
    {
      const SeenEvent *seen = ear->events->pdata[i];

      if (seen->what == what && g_str_equal (seen->uuid, uuid))
        return seen;
    }
  return NULL;
}

/* All events about this guest from the index on, as words; g_free(). */
static inline char *
ear_words (const Ear *ear, guint from, const char *uuid)
{
  GString *words = g_string_new (NULL);

  for (guint i = from; i < ear->events->len; i++)
    {
      const SeenEvent *seen = ear->events->pdata[i];

      if (g_str_equal (seen->uuid, uuid))
        g_string_append_printf (words, "%s%s", words->len > 0 ? " " : "", vr_virt_what_to_string (seen->what));
    }
  return g_string_free (words, FALSE);
}

/* ---- answers ---- */

typedef struct {
  gboolean here;
  VrVirtGuest *guest;
  GPtrArray *guests;
  gboolean stamped;
  GError *error;
} Answer;

static inline void
answer_clear (Answer *answer)
{
  g_clear_pointer (&answer->guest, vr_virt_guest_free);
  g_clear_pointer (&answer->guests, g_ptr_array_unref);
  g_clear_error (&answer->error);
  *answer = (Answer){ 0 };
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Answer, answer_clear)

static inline void
on_looked (GObject *source, GAsyncResult *result, gpointer data)
{
  Answer *answer = data;

  answer->guest = vr_virt_look_finish (VR_VIRT (source), result, &answer->error);
  g_assert_true ((answer->guest != NULL) == (answer->error == NULL));
  answer->here = TRUE;
}

static inline void
on_listed (GObject *source, GAsyncResult *result, gpointer data)
{
  Answer *answer = data;

  answer->guests = vr_virt_list_finish (VR_VIRT (source), result, &answer->error);
  g_assert_true ((answer->guests != NULL) == (answer->error == NULL));
  answer->here = TRUE;
}

static inline void
on_stamped (GObject *source, GAsyncResult *result, gpointer data)
{
  Answer *answer = data;

  answer->stamped = vr_virt_stamp_finish (VR_VIRT (source), result, &answer->error);
  g_assert_true (answer->stamped == (answer->error == NULL));
  answer->here = TRUE;
}

/* Looks and waits for the answer. */
static inline void
look_at (VrVirt *virt, const char *uuid, Answer *answer)
{
  answer_clear (answer);
  vr_virt_look_async (virt, uuid, PATIENCE_S * 1000, NULL, on_looked, answer);
  wait_until (answer->here);
}

static inline void
list_all (VrVirt *virt, Answer *answer)
{
  answer_clear (answer);
  vr_virt_list_async (virt, PATIENCE_S * 1000, NULL, on_listed, answer);
  wait_until (answer->here);
}

static inline void
stamp_on (VrVirt *virt, const char *uuid, const char *element, Answer *answer)
{
  answer_clear (answer);
  vr_virt_stamp_async (virt, uuid, element, PATIENCE_S * 1000, NULL, on_stamped, answer);
  wait_until (answer->here);
}

static inline const VrVirtGuest *
find_guest (const GPtrArray *guests, const char *uuid)
{
  for (guint i = 0; i < guests->len; i++)
    if (g_str_equal (((const VrVirtGuest *) guests->pdata[i])->xml->uuid, uuid))
      return guests->pdata[i];
  return NULL;
}
