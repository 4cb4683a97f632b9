/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of libvici-glue share: waiting in the main loop, and results of commands. */
#pragma once

#include "libvici-glue/vici.h"

/* Runs the main loop until the condition holds; a test that waits for half a minute has failed. */
#define WAIT_FOR(condition) \
  G_STMT_START \
    { \
      gint64 wait_end = g_get_monotonic_time () + 30 * G_USEC_PER_SEC; \
      guint wait_tick = harness_start_ticking (); \
      while (!(condition) && g_get_monotonic_time () < wait_end) \
        g_main_context_iteration (NULL, TRUE); \
      g_source_remove (wait_tick); \
      g_assert_true (condition); \
    } \
  G_STMT_END

/* Waits for the connection, and says what is wrong if it does not come. */
void wait_for_connection (VrVici *vici);

/* A source that wakes the loop each 5 ms. */
guint harness_start_ticking (void);

/* Runs the main loop for some time, for what must not happen. */
void harness_run_for (guint ms);

/* A VrVici that notes what it says; it probes each 100 ms. */
typedef struct {
  VrVici *vici;
  guint   n_connected, n_disconnected;
  GError *why;           /* of the last disconnection */
  guint   n_ike_up, n_ike_down, n_child_up, n_child_down, n_ike_rekey, n_child_rekey;
  char   *last_ike, *last_child, *last_remote_ts; /* of the last child that came up */
  GString *log;          /* "CONNECTION: LINE\n" of each "log" */
} Watched;

/* For tests in which charon must not count as hanging, however slow the machine is; and for those that wait for that. */
#define PATIENT_MS 30000
#define HASTY_MS 1000

Watched *watched_new (const char *uri, guint hang_ms); /* does not wait */
Watched *watched_new_connected (const char *uri, guint hang_ms);
void     watched_free (Watched *watched);     /* closes, and checks that nobody else holds the VrVici */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Watched, watched_free)

/* One command: pass answered as the callback and the Answer as its data; then wait for it. */
typedef struct {
  GAsyncResult *result;
  guint         n_calls;
} Answer;

void answered (GObject *source, GAsyncResult *result, gpointer answer);
void answer_clear (Answer *answer);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Answer, answer_clear)

void expect_success (VrVici *vici, Answer *answer);                    /* waits */
void expect_error (VrVici *vici, Answer *answer, GQuark domain, int code, const char *part); /* waits; part of the message */

/* The commands themselves, waiting. */
void       load_psk (VrVici *vici, const char *id, const char *const *owners, const char *secret);
GPtrArray *list_sas (VrVici *vici, const char *ike);
char     **list_conns (VrVici *vici);
char      *version (VrVici *vici);

/* Runs a program and waits for its success; gives (transfer full) what it said. dir: to run in, or NULL. */
GBytes *output_of (const char *const *argv, const char *dir);
#define STRV(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* Pids of the vici-workers that this process has at the moment; (transfer full), of int. */
GArray *worker_pids (void);

char *make_temp_dir (void);
void  remove_temp_dir (const char *dir); /* with all that is in it */
