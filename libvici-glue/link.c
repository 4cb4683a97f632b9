/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VICI has no numbers that tie an answer to its command, so one thing is asked at a time (asked), the rest waits (queue), and an answer that
 * does not fit what was asked ends the connection, as does everything malformed. Events come at any time. An answer that does not come
 * cannot be skipped: the owner looks at the clock (vr_vici_link_is_overdue) and frees the link.
 *
 * Opening is asking, too: "version", to see that it is charon who listens, then one registration for each event, then it is up.
 *
 * libvici itself runs in a process of its own, vici-worker.c, which says why; this end speaks VICI's packets with it over a socket pair. The
 * socket is non-blocking. Each time it is readable one buffer full is read and its packets are handed out, so a flood leaves the main
 * loop to others. GSocket sends without SIGPIPE. Whoever frees the link kills the worker, whatever it waits for.
 */
#include "link.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "vici.h"
#include "wire.h"
#include "worker.h"

#define BUFFER_LEN (64 * 1024)

typedef enum { ASK_VERSION, ASK_EVENT, ASK_COMMAND } AskKind;

typedef struct {
  AskKind     kind;
  guint64     id;
  char       *name;   /* of the command or event */
  GByteArray *packet; /* may hold a secret */
  guint       limit_ms;
} Ask;

struct _VrViciLink {
  gatomicrefcount        refs; /* the owner's, and one while a function of the owner's may be running */
  char                  *uri;
  GMainContext          *context;
  const char *const     *streams;
  const VrViciLinkFuncs *funcs; /* NULL: freed, or down */
  gpointer               user_data;

  GSubprocess  *worker;
  GSocket      *socket; /* to the worker; NULL: not yet started */
  GSource      *readable, *writable;
  GByteArray   *in;
  Ask          *asked;  /* sent, or being sent */
  gsize         n_sent; /* bytes of it */
  GPtrArray    *streamed;
  GQueue        queue;  /* of Ask */
  gint64        overdue_at; /* monotonic; 0: nothing is being asked */
};

static void
ask_free (gpointer data)
{
  Ask *ask = data;

  if (ask == NULL)
    return;
  explicit_bzero (ask->packet->data, ask->packet->len);
  g_byte_array_unref (ask->packet);
  g_free (ask->name);
  g_free (ask);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Ask, ask_free)

static VrViciLink *
link_ref (VrViciLink *link)
{
  g_atomic_ref_count_inc (&link->refs);
  return link;
}

static void
link_unref (VrViciLink *link)
{
  if (!g_atomic_ref_count_dec (&link->refs))
    return;
  ask_free (link->asked);
  g_queue_clear_full (&link->queue, ask_free); /* not sooner: once down, the owner still asks what was not sent */
  g_free (link->uri);
  g_main_context_unref (link->context);
  g_byte_array_unref (link->in);
  g_ptr_array_unref (link->streamed);
  g_free (link);
}

typedef VrViciLink LinkRef;
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LinkRef, link_unref)

static void
clear_source (GSource **source)
{
  if (*source == NULL)
    return;
  g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static void
shut (VrViciLink *link)
{
  link->funcs = NULL;
  link->overdue_at = 0;
  clear_source (&link->readable);
  clear_source (&link->writable);
  if (link->socket != NULL)
    g_socket_close (link->socket, NULL);
  g_clear_object (&link->socket);
  if (link->worker != NULL)
    g_subprocess_force_exit (link->worker);
  g_clear_object (&link->worker);
}

void
vr_vici_link_free (VrViciLink *link)
{
  if (link == NULL)
    return;
  shut (link);
  link_unref (link);
}

static void
go_down (VrViciLink *link, GError *error)
{
  const VrViciLinkFuncs *funcs = link->funcs;
  g_autoptr (GError) why = error;

  if (funcs == NULL)
    return;
  shut (link);
  funcs->down (why, link->user_data);
}

static void
go_down_lost (VrViciLink *link, const char *why)
{
  go_down (link, g_error_new (VR_VICI_ERROR, VR_VICI_ERROR_LOST, "lost the connection to charon at %s%s%s: %s", link->uri,
                              link->asked != NULL ? " during " : "", link->asked != NULL ? link->asked->name : "", why));
}

static void
go_down_nonsense (VrViciLink *link, const char *what)
{
  go_down (link, g_error_new (VR_VICI_ERROR, VR_VICI_ERROR_PROTOCOL,
                              "what listens at %s does not talk like charon (%s); is the address right, is strongSwan 5.9.8 or newer?",
                              link->uri, what));
}

/* Sending */

static gboolean
on_writable (GSocket *socket, GIOCondition condition, gpointer data)
{
  VrViciLink *link = data;
  g_autoptr (GError) error = NULL;
  gssize n;

  while (link->n_sent < link->asked->packet->len)
    {
      n = g_socket_send (link->socket, (const char *) link->asked->packet->data + link->n_sent, link->asked->packet->len - link->n_sent, NULL,
                         &error);
      if (n < 0 && g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
        return G_SOURCE_CONTINUE;
      if (n < 0)
        {
          /* charon closed it: reading says so, after what it still had to say */
          clear_source (&link->writable);
          return G_SOURCE_REMOVE;
        }
      link->n_sent += (gsize) n;
    }
  clear_source (&link->writable);
  return G_SOURCE_REMOVE;
}

static void
ask_next (VrViciLink *link)
{
  if (link->asked != NULL)
    return;
  link->overdue_at = 0;
  if (g_queue_is_empty (&link->queue))
    return;
  link->asked = g_queue_pop_head (&link->queue);
  link->n_sent = 0;
  link->overdue_at = g_get_monotonic_time () + (gint64) link->asked->limit_ms * 1000;
  link->writable = g_socket_create_source (link->socket, G_IO_OUT, NULL);
  g_source_set_callback (link->writable, G_SOURCE_FUNC (on_writable), link, NULL);
  g_source_attach (link->writable, link->context);
}

static void
add_ask (VrViciLink *link, AskKind kind, guint64 id, const char *name, const VrViciMessage *message, guint limit_ms)
{
  Ask *ask = g_new0 (Ask, 1);

  ask->kind = kind;
  ask->id = id;
  ask->name = g_strdup (name);
  ask->packet = vr_vici_packet_encode (kind == ASK_EVENT ? VR_VICI_EVENT_REGISTER : VR_VICI_CMD_REQUEST, name, message);
  ask->limit_ms = limit_ms;
  g_queue_push_tail (&link->queue, ask);
}

/* Receiving */

static void
take_answer (VrViciLink *link, const VrViciPacket *packet)
{
  const VrViciLinkFuncs *funcs = link->funcs;
  g_autoptr (Ask) asked = g_steal_pointer (&link->asked);
  g_autoptr (GPtrArray) streamed = g_steal_pointer (&link->streamed);
  g_autoptr (GError) why = NULL;

  link->streamed = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_vici_message_free);
  ask_next (link);
  if (asked->kind == ASK_COMMAND)
    {
      if (packet->type == VR_VICI_CMD_UNKNOWN)
        why = g_error_new (VR_VICI_ERROR, VR_VICI_ERROR_PROTOCOL, "charon at %s does not know the command %s", link->uri, asked->name);
      funcs->answer (asked->id, packet->message, streamed, why, link->user_data);
    }
  else if (packet->type == VR_VICI_EVENT_UNKNOWN)
    go_down (link, g_error_new (VR_VICI_ERROR, VR_VICI_ERROR_PROTOCOL,
                                "charon at %s knows no event \"%s\"; strongSwan 5.9.8 or newer is needed", link->uri, asked->name));
  else if (asked->kind == ASK_VERSION && (packet->message == NULL || vr_vici_message_get (packet->message, "version") == NULL))
    go_down_nonsense (link, "no version");
  else if (link->asked == NULL)
    funcs->up (link->user_data);
}

static gboolean
fits (const VrViciLink *link, VrViciPacketType type)
{
  if (link->asked == NULL || link->n_sent < link->asked->packet->len)
    return FALSE;
  if (link->asked->kind == ASK_EVENT)
    return type == VR_VICI_EVENT_CONFIRM || type == VR_VICI_EVENT_UNKNOWN;
  return type == VR_VICI_CMD_RESPONSE || type == VR_VICI_CMD_UNKNOWN;
}

static void
take_packet (VrViciLink *link, const guint8 *data, gsize len)
{
  g_auto (VrViciPacket) packet = { 0 };
  g_autoptr (GError) error = NULL;

  if (!vr_vici_packet_decode (data, len, &packet, &error))
    go_down_nonsense (link, error->message);
  else if (packet.type == VR_VICI_EVENT && g_str_equal (packet.name, VR_VICI_WORKER_REFUSED))
    go_down (link, g_error_new (VR_VICI_ERROR, VR_VICI_ERROR_NOT_CONNECTED,
                                "cannot connect to charon at %s: %s; does it run? (systemctl status strongswan)", link->uri,
                                vr_vici_message_get (packet.message, "why")));
  else if (packet.type == VR_VICI_EVENT && g_str_equal (packet.name, VR_VICI_WORKER_NONSENSE))
    go_down_nonsense (link, vr_vici_message_get (packet.message, "why"));
  else if (packet.type == VR_VICI_EVENT && g_strv_contains (link->streams, packet.name))
    {
      if (link->asked != NULL)
        g_ptr_array_add (link->streamed, g_steal_pointer (&packet.message));
    }
  else if (packet.type == VR_VICI_EVENT)
    link->funcs->event (packet.name, packet.message, link->user_data);
  else if (fits (link, packet.type))
    take_answer (link, &packet);
  else
    go_down_nonsense (link, "an answer to nothing");
}

/* Hands out the complete packets of the buffer and keeps the rest. */
static void
take_packets (VrViciLink *link)
{
  gsize start = 0;

  while (link->funcs != NULL && link->in->len - start >= VR_VICI_HEADER_LEN)
    {
      guint32 len;

      memcpy (&len, link->in->data + start, sizeof len);
      len = GUINT32_FROM_BE (len);
      if (len == 0 || len > VR_VICI_PACKET_MAX)
        {
          go_down_nonsense (link, "a packet of impossible length");
          return;
        }
      if (link->in->len - start - VR_VICI_HEADER_LEN < len)
        break;
      take_packet (link, link->in->data + start + VR_VICI_HEADER_LEN, len);
      start += VR_VICI_HEADER_LEN + len;
    }
  if (start > 0)
    g_byte_array_remove_range (link->in, 0, (guint) start);
}

static gboolean
on_readable (GSocket *socket, GIOCondition condition, gpointer data)
{
  g_autoptr (LinkRef) link = link_ref (data);
  g_autoptr (GError) error = NULL;
  guint old_len = link->in->len;
  gssize n;

  g_byte_array_set_size (link->in, old_len + BUFFER_LEN);
  n = g_socket_receive (link->socket, (char *) link->in->data + old_len, BUFFER_LEN, NULL, &error);
  g_byte_array_set_size (link->in, old_len + (guint) MAX (n, 0));
  if (n < 0 && g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
    return G_SOURCE_CONTINUE;
  if (n < 0)
    go_down_lost (link, error->message);
  else if (n == 0)
    go_down_lost (link, "charon closed it; was it stopped or restarted? (systemctl status strongswan)");
  else
    take_packets (link);
  return G_SOURCE_CONTINUE; /* if the link went down, its source is destroyed already */
}

/* Connecting */

static gboolean
check_uri (const char *uri, GError **error)
{
  if (g_str_has_prefix (uri, "unix:///") && strlen (uri) - strlen ("unix://") < sizeof ((struct sockaddr_un *) NULL)->sun_path)
    return TRUE;
  if (g_str_has_prefix (uri, "tcp://"))
    return TRUE;
  g_set_error (error, VR_VICI_ERROR, VR_VICI_ERROR_INVALID,
               "cannot connect to charon at \"%s\": it must be unix:///PATH, with a path of at most %zu bytes, or tcp://HOST:PORT", uri,
               sizeof ((struct sockaddr_un *) NULL)->sun_path - 1);
  return FALSE;
}

/* The worker, and this end of the socket pair to it; GSubprocess reaps it. */
static gboolean
start_worker (VrViciLink *link, GError **error)
{
  /* libstrongswan complains to stderr each time that charon is not there; what matters of it comes as packets */
  g_autoptr (GSubprocessLauncher) launcher =
    g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_SILENCE);
  const char *program = g_getenv (VR_VICI_WORKER_ENV);
  int ends[2];

  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
    {
      g_set_error (error, VR_VICI_ERROR, VR_VICI_ERROR_NOT_CONNECTED, "cannot make a socket pair: %s", g_strerror (errno));
      return FALSE;
    }
  g_subprocess_launcher_take_fd (launcher, ends[1], VR_VICI_WORKER_FD);
  link->socket = g_socket_new_from_fd (ends[0], error);
  if (link->socket == NULL)
    return FALSE;
  g_socket_set_blocking (link->socket, FALSE);
  if (program == NULL)
    program = VICI_WORKER;
  link->worker = g_subprocess_launcher_spawn (launcher, error, program, link->uri, NULL);
  if (link->worker == NULL)
    g_prefix_error (error, "cannot start %s, which talks to charon (is virt-relay installed completely?): ", program);
  return link->worker != NULL;
}

static gboolean
connect_now (gpointer data)
{
  VrViciLink *link = data;
  GError     *error = NULL;

  clear_source (&link->writable);
  if (!check_uri (link->uri, &error) || !start_worker (link, &error))
    {
      go_down (link, error);
      return G_SOURCE_REMOVE;
    }
  link->readable = g_socket_create_source (link->socket, G_IO_IN, NULL);
  g_source_set_callback (link->readable, G_SOURCE_FUNC (on_readable), link, NULL);
  g_source_attach (link->readable, link->context);
  ask_next (link);
  return G_SOURCE_REMOVE;
}

VrViciLink *
vr_vici_link_new (const char *uri, const char *const *events, const char *const *streams, guint hang_ms, GMainContext *context,
                  const VrViciLinkFuncs *funcs, gpointer user_data)
{
  VrViciLink *link = g_new0 (VrViciLink, 1);

  g_atomic_ref_count_init (&link->refs);
  link->uri = g_strdup (uri);
  link->context = g_main_context_ref (context);
  link->streams = streams;
  link->funcs = funcs;
  link->user_data = user_data;
  link->in = g_byte_array_new ();
  link->streamed = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_vici_message_free);
  g_queue_init (&link->queue);
  link->overdue_at = g_get_monotonic_time () + (gint64) hang_ms * 1000;
  add_ask (link, ASK_VERSION, 0, "version", NULL, hang_ms);
  for (const char *const *event = events; *event != NULL; event++)
    add_ask (link, ASK_EVENT, 0, *event, NULL, hang_ms);

  /* from the main loop, so that the owner has its link before it hears of it */
  link->writable = g_idle_source_new ();
  g_source_set_priority (link->writable, G_PRIORITY_DEFAULT);
  g_source_set_callback (link->writable, connect_now, link, NULL);
  g_source_attach (link->writable, context);
  return link;
}

void
vr_vici_link_submit (VrViciLink *link, guint64 id, const char *command, const VrViciMessage *message, guint limit_ms)
{
  if (link->funcs == NULL)
    return;
  add_ask (link, ASK_COMMAND, id, command, message, limit_ms);
  if (link->socket != NULL)
    ask_next (link);
}

gboolean
vr_vici_link_withdraw (VrViciLink *link, guint64 id)
{
  for (GList *l = link->queue.head; l != NULL; l = l->next)
    {
      g_autoptr (Ask) ask = l->data;

      if (ask->kind == ASK_COMMAND && ask->id == id)
        {
          g_queue_delete_link (&link->queue, l);
          return TRUE;
        }
      g_steal_pointer (&ask);
    }
  return FALSE;
}

gboolean
vr_vici_link_is_idle (VrViciLink *link)
{
  return link->asked == NULL && g_queue_is_empty (&link->queue);
}

gboolean
vr_vici_link_is_overdue (VrViciLink *link)
{
  return link->overdue_at != 0 && g_get_monotonic_time () > link->overdue_at;
}
