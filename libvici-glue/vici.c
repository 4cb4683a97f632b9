/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VrVici: keeps a link to charon (link.h), makes a new one after a pause when it breaks, and keeps the commands that callers wait for.
 * All in the owner's thread; nothing blocks.
 *
 * A link registers its events before it is up. So after "connected" nothing is missed, and a caller that looks at everything again then
 * knows all.
 *
 * A pending command is answered exactly once: by charon, its deadline, its cancellable, a break, or close, whatever is first; then it
 * leaves the table, and a late answer finds nothing. When its caller has given up, the link still waits for charon's answer, as
 * everything behind it would be out of step, until the link is overdue: then charon counts as hanging and the link is broken.
 * A clock ticks for that, and asks an idle charon whether it is there.
 */
#include "vici.h"

#include "link.h"
#include "private.h"

#define RETRY_FIRST_MS 100
#define RETRY_MAX_MS 1000
#define STEADY_US (5 * G_USEC_PER_SEC) /* a connection that lived for so long was a good one: the next attempt comes early */

typedef enum {
  WAITING,    /* no link; the next attempt is scheduled */
  CONNECTING, /* the link is being made; it becomes overdue */
  CONNECTED,  /* commands are taken, signals sent, charon is probed */
  CLOSED,     /* vr_vici_close() was called; nothing happens any more */
  N_STATES,
} State;

static const struct {
  const char *name;
  guint       next; /* bit set of the states that may follow */
} states[] = {
  [WAITING] = { "waiting", 1u << CONNECTING | 1u << CLOSED },
  [CONNECTING] = { "connecting", 1u << CONNECTED | 1u << WAITING | 1u << CLOSED },
  [CONNECTED] = { "connected", 1u << WAITING | 1u << CLOSED },
  [CLOSED] = { "closed", 0 },
};
G_STATIC_ASSERT (G_N_ELEMENTS (states) == N_STATES);

typedef struct {
  VrVici      *vici; /* kept alive by the task */
  guint64      id;
  GTask       *task;
  const char  *what; /* the task's data */
  VrViciDecode decode;
  guint        timeout_ms;
  gboolean     unsent;    /* its link broke, or was closed, before its turn */
  GSource     *deadline;
  GSource     *cancelled; /* or NULL */
} Call;

struct _VrVici {
  GObject       parent_instance;
  char         *uri;
  guint         probe_ms, hang_ms;
  GMainContext *context;
  State         state;
  VrViciLink   *link;
  gint64        connected_at;
  guint         retry_ms;  /* the next pause */
  GSource      *retry, *tick;
  guint         n_overdue; /* ticks in a row that found the link overdue */
  GHashTable   *calls;     /* id -> Call */
  guint64       last_id;
  char         *trouble;
};

G_DEFINE_FINAL_TYPE (VrVici, vr_vici, G_TYPE_OBJECT)

enum { PROP_0, PROP_URI, PROP_IS_CONNECTED, PROP_PROBE_MS, PROP_HANG_MS, N_PROPS };
static GParamSpec *props[N_PROPS];

enum { SIGNAL_CONNECTED, SIGNAL_DISCONNECTED, N_SIGNALS };
static guint signals[N_SIGNALS];

static void break_down (VrVici *vici, GError *why);

static void
set_state (VrVici *vici, State state)
{
  g_assert (states[vici->state].next & (1u << state));
  g_debug ("vici %s: %s -> %s", vici->uri, states[vici->state].name, states[state].name);
  vici->state = state;
}

static void
clear_source (GSource **source)
{
  if (*source == NULL)
    return;
  g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static GSource *
add_timeout (VrVici *vici, guint ms, GSourceFunc func, gpointer data)
{
  GSource *source = g_timeout_source_new (ms);

  g_source_set_callback (source, func, data, NULL);
  g_source_attach (source, vici->context);
  return source;
}

/* Pending commands */

static void
call_free (gpointer data)
{
  Call *call = data;

  clear_source (&call->deadline);
  clear_source (&call->cancelled);
  g_object_unref (call->task);
  g_free (call);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Call, call_free)

static Call *
steal_call (VrVici *vici, guint64 id)
{
  gpointer call = NULL;

  g_hash_table_steal_extended (vici->calls, &id, NULL, &call);
  return call;
}

static gboolean
on_deadline (gpointer data)
{
  Call *call = data;
  VrVici *vici = call->vici;
  gboolean unsent = vici->link != NULL && vr_vici_link_withdraw (vici->link, call->id);
  g_autoptr (Call) mine = steal_call (vici, call->id);

  g_task_return_new_error (mine->task, VR_VICI_ERROR, VR_VICI_ERROR_TIMEOUT,
                           "%s: charon at %s did not answer within %u ms (%s); is it stopped or overloaded? (systemctl status strongswan)",
                           mine->what, vici->uri, mine->timeout_ms, unsent ? "the command was not sent" : "it may still do it");
  return G_SOURCE_REMOVE;
}

static gboolean
on_cancelled (GCancellable *cancellable, gpointer data)
{
  Call *call = data;
  VrVici *vici = call->vici;
  g_autoptr (Call) mine = steal_call (vici, call->id);

  if (vici->link != NULL)
    vr_vici_link_withdraw (vici->link, mine->id);
  g_task_return_error_if_cancelled (mine->task);
  return G_SOURCE_REMOVE;
}

/* Takes what is queued back from the link, while it is still there to ask. */
static void
withdraw_calls (VrVici *vici)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, vici->calls);
  while (vici->link != NULL && g_hash_table_iter_next (&iter, NULL, &value))
    ((Call *) value)->unsent = vr_vici_link_withdraw (vici->link, ((Call *) value)->id);
}

static void
fail_calls (VrVici *vici, int code, const GError *why)
{
  g_autoptr (GHashTable) calls = g_steal_pointer (&vici->calls);
  GHashTableIter iter;
  gpointer value;

  /* callbacks may start new commands, or close */
  vici->calls = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, call_free);
  g_hash_table_iter_init (&iter, calls);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      Call *call = value;

      clear_source (&call->deadline);
      clear_source (&call->cancelled);
      g_task_return_new_error (call->task, VR_VICI_ERROR, call->unsent && code != VR_VICI_ERROR_CLOSED ? VR_VICI_ERROR_NOT_CONNECTED : code,
                               "%s: %s%s", call->what, why->message, call->unsent ? " (the command was not sent)" : "");
    }
}

static void
refuse (VrVici *vici, GTask *task, const char *what)
{
  if (vici->state == CLOSED)
    g_task_return_new_error (task, VR_VICI_ERROR, VR_VICI_ERROR_CLOSED, "%s: the connection was closed by this program", what);
  else
    g_task_return_new_error (task, VR_VICI_ERROR, VR_VICI_ERROR_NOT_CONNECTED, "%s: %s", what, vici->trouble);
}

void
vr_vici_call (VrVici *vici, const char *command, const char *what, VrViciMessage *request, VrViciDecode decode, guint timeout_ms,
              GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (VrViciMessage) message = request;
  g_autoptr (GTask) task = g_task_new (vici, cancellable, callback, user_data);
  GError *error = NULL;
  Call *call;

  g_task_set_name (task, command);
  g_task_set_task_data (task, g_strdup (what), g_free);
  if (g_task_return_error_if_cancelled (task))
    return;
  if (message != NULL && !vr_vici_message_check (message, what, &error))
    {
      g_task_return_error (task, error);
      return;
    }
  if (vici->state != CONNECTED)
    {
      refuse (vici, task, what);
      return;
    }

  call = g_new0 (Call, 1);
  call->vici = vici;
  call->id = ++vici->last_id;
  call->task = g_steal_pointer (&task);
  call->what = g_task_get_task_data (call->task);
  call->decode = decode;
  call->timeout_ms = timeout_ms != 0 ? timeout_ms : VR_VICI_DEFAULT_TIMEOUT_MS;
  call->deadline = add_timeout (vici, call->timeout_ms, on_deadline, call);
  if (cancellable != NULL)
    {
      call->cancelled = g_cancellable_source_new (cancellable);
      g_source_set_callback (call->cancelled, G_SOURCE_FUNC (on_cancelled), call, NULL);
      g_source_attach (call->cancelled, vici->context);
    }
  g_hash_table_insert (vici->calls, &call->id, call);
  vr_vici_link_submit (vici->link, call->id, command, message, MAX (call->timeout_ms, vici->hang_ms));
}

/* The link */

static GError *
nonsense (VrVici *vici, const char *what)
{
  return g_error_new (VR_VICI_ERROR, VR_VICI_ERROR_PROTOCOL,
                      "%s: what came from %s makes no sense; is it charon, 5.9.8 or newer?", what, vici->uri);
}

static void
on_answer (guint64 id, const VrViciMessage *answer, GPtrArray *streamed, const GError *why, gpointer data)
{
  g_autoptr (VrVici) vici = g_object_ref (data);
  g_autoptr (Call) call = steal_call (vici, id);
  GError *bad;

  /* an answer too many is only noticed by what it says: libvici takes it for the next command's */
  if (id == 0 && (answer == NULL || vr_vici_message_get (answer, "version") == NULL))
    break_down (vici, nonsense (vici, "version"));
  if (call == NULL)
    return; /* a probe, or the caller has given up */
  clear_source (&call->deadline);
  clear_source (&call->cancelled);
  if (why != NULL)
    g_task_return_error (call->task, g_error_copy (why));
  else if (!call->decode (call->task, answer, streamed))
    {
      bad = nonsense (vici, call->what);
      g_task_return_error (call->task, g_error_copy (bad));
      break_down (vici, bad); /* it may be out of step */
    }
}

static void
on_event (const char *event, const VrViciMessage *message, gpointer data)
{
  g_autoptr (VrVici) vici = g_object_ref (data);

  if (vici->state != CONNECTED)
    return; /* the caller looks at everything when it is connected */
  if (!vr_vici_emit_event (vici, event, message))
    break_down (vici, nonsense (vici, event));
}

static void
on_up (gpointer data)
{
  g_autoptr (VrVici) vici = g_object_ref (data);

  set_state (vici, CONNECTED);
  vici->connected_at = g_get_monotonic_time ();
  g_clear_pointer (&vici->trouble, g_free);
  g_object_notify_by_pspec (G_OBJECT (vici), props[PROP_IS_CONNECTED]);
  if (vici->state == CONNECTED)
    g_signal_emit (vici, signals[SIGNAL_CONNECTED], 0);
}

static void
on_down (const GError *why, gpointer data)
{
  break_down (data, g_error_copy (why));
}

static gboolean
on_tick (gpointer data)
{
  VrVici *vici = data;

  vici->n_overdue = vr_vici_link_is_overdue (vici->link) ? vici->n_overdue + 1 : 0;
  if (vici->n_overdue > 1) /* once may be the fault of this loop, which stood still; the answer may wait to be read */
    break_down (vici, g_error_new (VR_VICI_ERROR, VR_VICI_ERROR_LOST,
                                   "charon at %s does not answer; is it stopped or overloaded? (systemctl status strongswan)", vici->uri));
  else if (vici->state == CONNECTED && vr_vici_link_is_idle (vici->link))
    vr_vici_link_submit (vici->link, 0, "version", NULL, vici->hang_ms);
  return G_SOURCE_CONTINUE; /* unless break_down destroyed it */
}

static gboolean
on_retry (gpointer data)
{
  static const VrViciLinkFuncs funcs = { .up = on_up, .down = on_down, .answer = on_answer, .event = on_event };
  VrVici *vici = data;

  clear_source (&vici->retry);
  set_state (vici, CONNECTING);
  vici->n_overdue = 0;
  vici->link =
    vr_vici_link_new (vici->uri, vr_vici_event_names, vr_vici_stream_names, vici->hang_ms, vici->context, &funcs, vici);
  vici->tick = add_timeout (vici, MIN (vici->probe_ms, vici->hang_ms), on_tick, vici);
  return G_SOURCE_REMOVE;
}

static void
drop_link (VrVici *vici)
{
  clear_source (&vici->tick);
  clear_source (&vici->retry);
  g_clear_pointer (&vici->link, vr_vici_link_free);
}

/* why: (transfer full) */
static void
break_down (VrVici *vici, GError *why)
{
  g_autoptr (VrVici) self = g_object_ref (vici);
  g_autoptr (GError) error = why;
  gboolean was_connected = vici->state == CONNECTED;

  if (vici->state == WAITING || vici->state == CLOSED)
    return;
  withdraw_calls (vici);
  drop_link (vici);
  set_state (vici, WAITING);
  g_free (vici->trouble);
  vici->trouble = g_strdup (error->message);
  if (was_connected && g_get_monotonic_time () - vici->connected_at > STEADY_US)
    vici->retry_ms = RETRY_FIRST_MS;
  vici->retry = add_timeout (vici, vici->retry_ms, on_retry, vici);
  vici->retry_ms = MIN (2 * vici->retry_ms, RETRY_MAX_MS);

  fail_calls (vici, g_error_matches (error, VR_VICI_ERROR, VR_VICI_ERROR_PROTOCOL) ? VR_VICI_ERROR_PROTOCOL : VR_VICI_ERROR_LOST, error);
  if (!was_connected || vici->state == CLOSED)
    return;
  g_object_notify_by_pspec (G_OBJECT (vici), props[PROP_IS_CONNECTED]);
  if (vici->state != CLOSED)
    g_signal_emit (vici, signals[SIGNAL_DISCONNECTED], 0, error);
}

void
vr_vici_close (VrVici *vici)
{
  g_autoptr (GError) why = g_error_new_literal (VR_VICI_ERROR, VR_VICI_ERROR_CLOSED, "the connection was closed by this program");

  if (vici->state == CLOSED)
    return;
  withdraw_calls (vici);
  drop_link (vici);
  set_state (vici, CLOSED);
  g_free (vici->trouble);
  vici->trouble = g_strdup (why->message);
  fail_calls (vici, VR_VICI_ERROR_CLOSED, why);
}

gboolean
vr_vici_is_connected (VrVici *vici)
{
  return vici->state == CONNECTED;
}

const char *
vr_vici_trouble (VrVici *vici)
{
  return vici->state != CONNECTED ? vici->trouble : NULL;
}

/* GObject */

static void
vr_vici_init (VrVici *vici)
{
  vici->retry_ms = RETRY_FIRST_MS;
  vici->calls = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, call_free);
}

static void
vr_vici_constructed (GObject *object)
{
  VrVici *vici = VR_VICI (object);

  G_OBJECT_CLASS (vr_vici_parent_class)->constructed (object);
  vici->context = g_main_context_ref_thread_default ();
  vici->trouble = g_strdup_printf ("not connected to charon at %s yet", vici->uri);
  vici->retry = add_timeout (vici, 0, on_retry, vici);
}

static void
vr_vici_dispose (GObject *object)
{
  vr_vici_close (VR_VICI (object));
  G_OBJECT_CLASS (vr_vici_parent_class)->dispose (object);
}

static void
vr_vici_finalize (GObject *object)
{
  VrVici *vici = VR_VICI (object);

  g_hash_table_unref (vici->calls);
  g_main_context_unref (vici->context);
  g_free (vici->uri);
  g_free (vici->trouble);
  G_OBJECT_CLASS (vr_vici_parent_class)->finalize (object);
}

static void
vr_vici_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  VrVici *vici = VR_VICI (object);

  switch (id)
    {
    case PROP_URI:
      g_value_set_string (value, vici->uri);
      break;
    case PROP_IS_CONNECTED:
      g_value_set_boolean (value, vr_vici_is_connected (vici));
      break;
    case PROP_PROBE_MS:
      g_value_set_uint (value, vici->probe_ms);
      break;
    case PROP_HANG_MS:
      g_value_set_uint (value, vici->hang_ms);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
vr_vici_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  VrVici *vici = VR_VICI (object);

  switch (id)
    {
    case PROP_URI:
      vici->uri = g_value_get_string (value) != NULL ? g_value_dup_string (value) : g_strdup (VR_VICI_DEFAULT_URI);
      break;
    case PROP_PROBE_MS:
      vici->probe_ms = g_value_get_uint (value);
      break;
    case PROP_HANG_MS:
      vici->hang_ms = g_value_get_uint (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
vr_vici_class_init (VrViciClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags once = G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS;

  object_class->constructed = vr_vici_constructed;
  object_class->dispose = vr_vici_dispose;
  object_class->finalize = vr_vici_finalize;
  object_class->get_property = vr_vici_get_property;
  object_class->set_property = vr_vici_set_property;

  props[PROP_URI] = g_param_spec_string ("uri", NULL, NULL, NULL, once);
  props[PROP_IS_CONNECTED] = g_param_spec_boolean ("is-connected", NULL, NULL, FALSE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  props[PROP_PROBE_MS] = g_param_spec_uint ("probe-ms", NULL, NULL, 50, 60000, 1000, once);
  props[PROP_HANG_MS] = g_param_spec_uint ("hang-ms", NULL, NULL, 50, 60000, 3000, once);
  g_object_class_install_properties (object_class, N_PROPS, props);

  signals[SIGNAL_CONNECTED] = g_signal_new ("connected", VR_TYPE_VICI, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  signals[SIGNAL_DISCONNECTED] =
    g_signal_new ("disconnected", VR_TYPE_VICI, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_ERROR);
  vr_vici_install_events ();
}

VrVici *
vr_vici_new (const char *uri)
{
  return g_object_new (VR_TYPE_VICI, "uri", uri, NULL);
}
