/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The only file that talks to charon. libvici waits for answers without a time limit, so each connection has a thread of its own that may
 * get stuck, and the owner, in the main loop, never waits for it: it queues jobs, reads reports, and looks at the clock
 * (vr_vici_link_is_overdue). A link that is stuck is stopped: nobody listens to it any more, its thread stays behind in libvici and ends
 * when charon wakes (SIGCONT) or dies, which it reports as ENDED. It cannot be ended from outside: libvici does not give its
 * socket, and closing a connection that a thread waits on is a use after free.
 *
 * Threads: the owner's; the link's own (run); libvici's, which calls on_event with the connection locked. The lock guards what they
 * share, and is never held across a call into libvici. Only the link's own thread touches conn.
 *
 * Signals: all are blocked in the link's thread and in libvici's, so the program's handlers run in its own threads. This also keeps
 * SIGPIPE, which a write to a charon that is gone raises in the writing thread, away from the process; the write says EPIPE.
 *
 * Invariant: a thread posts ENDED exactly once, as its last report.
 */
#include "link.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/un.h>

#include "inbox.h"
#include "vici.h"
#include "wire.h"

typedef struct {
  guint64        id;
  char          *command;
  VrViciMessage *request;
  guint          limit_ms;
} Job;

struct _VrViciLink {
  gatomicrefcount    refs;
  char              *uri;
  const char *const *events;
  gboolean           streaming;
  guint              hang_ms;
  VrViciInbox       *inbox;
  vici_conn_t       *conn;

  GMutex     lock;
  GCond      wake;        /* a job, or stopping */
  GQueue     jobs;
  gint64     overdue_at;  /* monotonic; 0: idle */
  gboolean   stopping;
  gboolean   hung;
  GPtrArray *streamed;    /* not NULL while a job of a streaming link runs */
  GError    *stream_error; /* one of them was malformed */
};

static void
job_free (gpointer data)
{
  Job *job = data;

  g_free (job->command);
  vr_vici_message_free (job->request);
  g_free (job);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Job, job_free)

VrViciLink *
vr_vici_link_ref (VrViciLink *link)
{
  g_atomic_ref_count_inc (&link->refs);
  return link;
}

void
vr_vici_link_unref (VrViciLink *link)
{
  if (!g_atomic_ref_count_dec (&link->refs))
    return;
  g_free (link->uri);
  vr_vici_inbox_unref (link->inbox);
  g_queue_clear_full (&link->jobs, job_free);
  g_clear_pointer (&link->streamed, g_ptr_array_unref);
  g_clear_error (&link->stream_error);
  g_mutex_clear (&link->lock);
  g_cond_clear (&link->wake);
  g_free (link);
}

static void
block_signals (sigset_t *old)
{
  sigset_t all;

  sigfillset (&all);
  pthread_sigmask (SIG_SETMASK, &all, old);
}

/* libstrongswan would write each failed connection attempt and each malformed message to stderr; all that comes as errors here. */
static void
silence_libstrongswan (void)
{
  void (*set_level) (int level) = NULL;

  *(void **) &set_level = dlsym (RTLD_DEFAULT, "dbg_default_set_level");
  if (set_level != NULL)
    set_level (-1);
}

void
vr_vici_link_init (void)
{
  static gsize done;
  sigset_t old;

  if (!g_once_init_enter (&done))
    return;
  block_signals (&old);
  vici_init ();
  pthread_sigmask (SIG_SETMASK, &old, NULL);
  silence_libstrongswan ();
  g_once_init_leave (&done, 1);
}

/* Takes over what is not NULL. A stopped link's reports are dropped, but for ENDED. */
static void
post (VrViciLink *link, VrViciReportKind kind, guint64 id, const char *event, VrViciMessage *message, GPtrArray *streamed,
      GError *error)
{
  VrViciReport *report = g_new0 (VrViciReport, 1);
  gboolean stopping;

  report->kind = kind;
  report->link = vr_vici_link_ref (link);
  report->id = id;
  report->event = g_strdup (event);
  report->message = message;
  report->streamed = streamed;
  report->error = error;

  g_mutex_lock (&link->lock);
  stopping = link->stopping;
  g_mutex_unlock (&link->lock);
  if (stopping && kind != VR_VICI_REPORT_ENDED)
    vr_vici_report_free (report);
  else
    vr_vici_inbox_post (link->inbox, report);
}

static void
on_event (void *user, char *name, vici_res_t *res)
{
  VrViciLink *link = user;
  g_autoptr (GError) error = NULL;
  VrViciMessage *message = vr_vici_wire_parse (res, &error);

  if (!link->streaming)
    {
      post (link, VR_VICI_REPORT_EVENT, 0, name, message, NULL, g_steal_pointer (&error));
      return;
    }
  g_mutex_lock (&link->lock);
  if (message != NULL && link->streamed != NULL)
    g_ptr_array_add (link->streamed, message);
  else
    vr_vici_message_free (message);
  if (error != NULL && link->stream_error == NULL)
    link->stream_error = g_steal_pointer (&error);
  g_mutex_unlock (&link->lock);
}

static void
set_overdue (VrViciLink *link, guint limit_ms)
{
  g_mutex_lock (&link->lock);
  link->overdue_at = limit_ms != 0 ? g_get_monotonic_time () + (gint64) limit_ms * 1000 : 0;
  g_mutex_unlock (&link->lock);
}

static GError *
lost (VrViciLink *link, const char *what, int saved_errno)
{
  /* libvici 5.9.8 leaves whatever errno was there when charon closes the connection. */
  const char *why = saved_errno == EBADMSG ? "charon sent garbage" : "charon closed the connection; was it restarted?";

  return g_error_new (VR_VICI_ERROR, VR_VICI_ERROR_LOST, "lost charon at %s during %s: %s", link->uri, what, why);
}

/* NULL and no error: charon does not know the command. */
static VrViciMessage *
ask (VrViciLink *link, const char *command, const VrViciMessage *request, GError **error)
{
  VrViciMessage *answer;
  vici_res_t *res;

  errno = 0;
  res = vici_submit (vr_vici_wire_request (command, request), link->conn);
  if (res == NULL)
    {
      if (errno != ENOENT)
        g_propagate_error (error, lost (link, command, errno));
      return NULL;
    }
  answer = vr_vici_wire_parse (res, error);
  vici_free_res (res);
  return answer;
}

/* Whether charon answers, and answers what it was asked. */
static gboolean
ask_version (VrViciLink *link, GError **error)
{
  g_autoptr (GError) why = NULL;
  g_autoptr (VrViciMessage) answer = ask (link, "version", NULL, &why);

  if (answer != NULL && vr_vici_message_get (answer, "version") != NULL)
    return TRUE;
  if (why != NULL)
    g_propagate_error (error, g_steal_pointer (&why));
  else
    g_set_error (error, VR_VICI_ERROR, VR_VICI_ERROR_PROTOCOL,
                 "what listens at %s does not answer like charon; does vici_uri point at charon's socket?", link->uri);
  return FALSE;
}

static gboolean
check_uri (const char *uri, GError **error)
{
  gsize path_max = sizeof ((struct sockaddr_un *) NULL)->sun_path - 1;

  if (g_str_has_prefix (uri, "tcp://"))
    return TRUE;
  if (g_str_has_prefix (uri, "unix://") && strlen (uri) - strlen ("unix://") <= path_max)
    return TRUE;
  g_set_error (error, VR_VICI_ERROR, VR_VICI_ERROR_INVALID,
               "cannot connect to charon at \"%s\": it must be unix://PATH, with a path of at most %zu bytes, or tcp://HOST:PORT", uri,
               path_max);
  return FALSE;
}

static gboolean
open_connection (VrViciLink *link, GError **error)
{
  if (!check_uri (link->uri, error))
    return FALSE;
  errno = 0;
  link->conn = vici_connect (link->uri);
  if (link->conn == NULL)
    {
      g_set_error (error, VR_VICI_ERROR, VR_VICI_ERROR_NOT_CONNECTED,
                   "cannot connect to charon at %s: %s; does it run? (systemctl status strongswan)", link->uri,
                   errno != 0 ? g_strerror (errno) : "bad address");
      return FALSE;
    }
  if (!ask_version (link, error))
    return FALSE;
  for (const char *const *event = link->events; *event != NULL; event++)
    {
      errno = 0;
      if (vici_register (link->conn, (char *) *event, on_event, link) == 0)
        continue;
      if (errno == ENOENT)
        g_set_error (error, VR_VICI_ERROR, VR_VICI_ERROR_PROTOCOL, "charon at %s knows no event \"%s\"; strongSwan 5.9.8 or newer is needed",
                     link->uri, *event);
      else
        g_propagate_error (error, lost (link, *event, errno));
      return FALSE;
    }
  return TRUE;
}

static Job *
next_job (VrViciLink *link)
{
  Job *job;

  g_mutex_lock (&link->lock);
  link->overdue_at = 0;
  while (!link->stopping && g_queue_is_empty (&link->jobs))
    g_cond_wait (&link->wake, &link->lock);
  job = link->stopping ? NULL : g_queue_pop_head (&link->jobs);
  if (job != NULL)
    {
      link->overdue_at = g_get_monotonic_time () + (gint64) job->limit_ms * 1000;
      if (link->streaming)
        link->streamed = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_vici_message_free);
    }
  g_mutex_unlock (&link->lock);
  return job;
}

/* FALSE: the connection is no good any more. */
static gboolean
run_job (VrViciLink *link, const Job *job, GError **error)
{
  g_autoptr (GError) why = NULL;
  g_autoptr (GPtrArray) streamed = NULL;
  g_autoptr (GError) stream_error = NULL;
  g_autoptr (VrViciMessage) answer = ask (link, job->command, job->request, &why);

  g_mutex_lock (&link->lock);
  streamed = g_steal_pointer (&link->streamed);
  stream_error = g_steal_pointer (&link->stream_error);
  g_mutex_unlock (&link->lock);

  if (answer == NULL && why == NULL)
    {
      /* libvici says the same when charon goes away and an old errno happens to be ENOENT; this tells the two apart. */
      if (!ask_version (link, error))
        return FALSE;
      g_set_error (&why, VR_VICI_ERROR, VR_VICI_ERROR_PROTOCOL, "charon at %s does not know the command %s", link->uri, job->command);
    }
  else if (answer == NULL || stream_error != NULL)
    {
      g_propagate_error (error, why != NULL ? g_steal_pointer (&why) : g_steal_pointer (&stream_error));
      return FALSE;
    }
  post (link, VR_VICI_REPORT_ANSWER, job->id, NULL, g_steal_pointer (&answer), g_steal_pointer (&streamed), g_steal_pointer (&why));
  return TRUE;
}

static gpointer
run (gpointer data)
{
  VrViciLink *link = data;
  GError *error = NULL;

  block_signals (NULL);
  if (open_connection (link, &error))
    {
      post (link, VR_VICI_REPORT_UP, 0, NULL, NULL, NULL, NULL);
      while (error == NULL)
        {
          g_autoptr (Job) job = next_job (link);

          if (job == NULL)
            break;
          run_job (link, job, &error);
        }
    }
  if (error != NULL)
    post (link, VR_VICI_REPORT_DOWN, 0, NULL, NULL, NULL, error);
  set_overdue (link, link->hang_ms);
  if (link->conn != NULL)
    vici_disconnect (link->conn);
  set_overdue (link, 0);
  post (link, VR_VICI_REPORT_ENDED, 0, NULL, NULL, NULL, NULL);
  vr_vici_link_unref (link);
  return NULL;
}

VrViciLink *
vr_vici_link_new (const char *uri, const char *const *events, gboolean streaming, guint hang_ms, VrViciInbox *inbox)
{
  VrViciLink *link = g_new0 (VrViciLink, 1);

  g_atomic_ref_count_init (&link->refs);
  g_mutex_init (&link->lock);
  g_cond_init (&link->wake);
  g_queue_init (&link->jobs);
  link->uri = g_strdup (uri);
  link->events = events;
  link->streaming = streaming;
  link->hang_ms = hang_ms;
  link->inbox = vr_vici_inbox_ref (inbox);
  set_overdue (link, hang_ms);
  g_thread_unref (g_thread_new ("vici", run, vr_vici_link_ref (link)));
  return link;
}

void
vr_vici_link_submit (VrViciLink *link, guint64 id, const char *command, VrViciMessage *request, guint limit_ms)
{
  Job *job = g_new0 (Job, 1);

  job->id = id;
  job->command = g_strdup (command);
  job->request = request;
  job->limit_ms = limit_ms;
  g_mutex_lock (&link->lock);
  g_queue_push_tail (&link->jobs, job);
  g_cond_signal (&link->wake);
  g_mutex_unlock (&link->lock);
}

gboolean
vr_vici_link_withdraw (VrViciLink *link, guint64 id)
{
  g_autoptr (Job) found = NULL;

  g_mutex_lock (&link->lock);
  for (GList *l = link->jobs.head; l != NULL && found == NULL; l = l->next)
    if (((Job *) l->data)->id == id)
      {
        found = l->data;
        g_queue_delete_link (&link->jobs, l);
        break;
      }
  g_mutex_unlock (&link->lock);
  return found != NULL;
}

gboolean
vr_vici_link_is_idle (VrViciLink *link)
{
  gboolean idle;

  g_mutex_lock (&link->lock);
  idle = link->overdue_at == 0 && g_queue_is_empty (&link->jobs);
  g_mutex_unlock (&link->lock);
  return idle;
}

static gboolean
is_overdue_locked (VrViciLink *link)
{
  return link->overdue_at != 0 && g_get_monotonic_time () > link->overdue_at;
}

gboolean
vr_vici_link_is_overdue (VrViciLink *link)
{
  gboolean overdue;

  g_mutex_lock (&link->lock);
  overdue = is_overdue_locked (link);
  g_mutex_unlock (&link->lock);
  return overdue;
}

void
vr_vici_link_stop (VrViciLink *link)
{
  g_mutex_lock (&link->lock);
  link->stopping = TRUE;
  link->hung = is_overdue_locked (link);
  g_queue_clear_full (&link->jobs, job_free);
  g_cond_signal (&link->wake);
  g_mutex_unlock (&link->lock);
  vr_vici_link_unref (link);
}

gboolean
vr_vici_link_was_hung (VrViciLink *link)
{
  gboolean hung;

  g_mutex_lock (&link->lock);
  hung = link->hung;
  g_mutex_unlock (&link->lock);
  return hung;
}
