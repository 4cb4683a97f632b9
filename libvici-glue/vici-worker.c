/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vici-worker URI: libvici in a process of its own. Started by link.c, which holds the other end of file descriptor VR_VICI_WORKER_FD
 * and speaks VICI packets (wire.h) through it; each is carried out by libvici's calls, and what charon answers goes back as packets.
 *
 * Why a process: libvici's calls block without a time limit, its watcher threads cannot be stopped, and 5.9.8 was seen to spin for ever when
 * charon dies while a command waits (about 1 in 100), and to use freed memory when two connections live in one process. Here
 * there is one connection, and whoever waits too long for this process kills it: a charon that hangs, restarts or talks nonsense
 * costs its caller nothing but a new worker.
 *
 * Threads: this one carries out requests; libvici's hand over events; one watches the connection. A lock keeps packets whole. libvici 5.9.8
 * does not say, or says late, that charon is gone; the watching thread sees it at the socket and ends the process, and the caller sees
 * that at its end. When the caller goes, this process reads the end of the socket, and ends too.
 */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libvici.h"
#include "wire.h"
#include "worker.h"

#define DEPTH_MAX 16  /* charon's own messages go four deep */
#define GRACE_MS 100  /* for what charon still said before it went */

static GMutex writing;

static void
write_all (const guint8 *data, gsize len)
{
  while (len > 0)
    {
      gssize n = write (VR_VICI_WORKER_FD, data, len);

      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        _exit (0); /* the caller is gone */
      data += n;
      len -= (gsize) n;
    }
}

static void
send_packet (VrViciPacketType type, const char *name, const VrViciMessage *message)
{
  g_autoptr (GByteArray) packet = vr_vici_packet_encode (type, name, message);

  g_mutex_lock (&writing);
  write_all (packet->data, packet->len);
  g_mutex_unlock (&writing);
}

/* Ends the process with a last word: why there is no connection, or that charon's message makes no sense. */
static G_NORETURN void
give_up (const char *event, const char *why)
{
  g_autoptr (VrViciMessage) message = vr_vici_message_new ();

  vr_vici_message_add (message, "why", why);
  send_packet (VR_VICI_EVENT, event, message);
  _exit (1);
}

/* ---- charon's end ---- */

static int charon_fd = -1;

/* libvici does not give its socket; in this process it is the only one but the caller's. */
static int
find_charon_fd (void)
{
  DIR *dir = opendir ("/proc/self/fd");
  struct dirent *entry;
  int found = -1;

  while (dir != NULL && (entry = readdir (dir)) != NULL)
    {
      int fd = atoi (entry->d_name);
      struct stat info;

      if (fd > VR_VICI_WORKER_FD && fstat (fd, &info) == 0 && S_ISSOCK (info.st_mode))
        found = fd;
    }
  if (dir != NULL)
    closedir (dir);
  return found;
}

static gboolean
charon_is_gone (int timeout_ms)
{
  struct pollfd watched = { .fd = charon_fd, .events = POLLRDHUP };

  return poll (&watched, 1, timeout_ms) > 0;
}

static gpointer
watch_charon (gpointer unused)
{
  while (!charon_is_gone (-1))
    continue;
  g_usleep (GRACE_MS * 1000);
  _exit (1);
}

/* ---- from libvici ---- */

/* All elements up to the end of this section, or of the message; FALSE: malformed. */
static gboolean
read_section (vici_res_t *res, VrViciMessage *message, guint depth)
{
  while (depth < DEPTH_MAX)
    {
      int   len = 0;
      void *value;

      switch (vici_parse (res))
        {
        case VICI_PARSE_BEGIN_SECTION:
          if (!read_section (res, vr_vici_message_add_section (message, vici_parse_name (res)), depth + 1))
            return FALSE;
          break;
        case VICI_PARSE_END_SECTION:
          return depth > 0;
        case VICI_PARSE_BEGIN_LIST:
          vr_vici_message_begin_list (message, vici_parse_name (res));
          break;
        case VICI_PARSE_LIST_ITEM:
          value = vici_parse_value (res, &len);
          vr_vici_message_append_item (message, value, (gsize) len);
          break;
        case VICI_PARSE_END_LIST:
          break;
        case VICI_PARSE_KEY_VALUE:
          value = vici_parse_value (res, &len);
          vr_vici_message_add_data (message, vici_parse_name (res), value, (gsize) len);
          break;
        case VICI_PARSE_END:
          return depth == 0;
        case VICI_PARSE_ERROR:
        default:
          return FALSE;
        }
    }
  return FALSE;
}

static VrViciMessage *
read_message (vici_res_t *res)
{
  g_autoptr (VrViciMessage) message = vr_vici_message_new ();

  if (!read_section (res, message, 0))
    give_up (VR_VICI_WORKER_NONSENSE, "a malformed message");
  return g_steal_pointer (&message);
}

static void
on_event (void *user, char *name, vici_res_t *res)
{
  g_autoptr (VrViciMessage) message = read_message (res);

  send_packet (VR_VICI_EVENT, name, message);
}

/* ---- to libvici ---- */

static void
add_items (vici_req_t *req, const VrViciMessage *message)
{
  for (guint i = 0; message != NULL && i < vr_vici_message_n_items (message); i++)
    {
      const VrViciItem *item = vr_vici_message_item (message, i);

      switch (item->kind)
        {
        case VR_VICI_ITEM_VALUE:
          {
            VrViciBlob *blob = item->values->pdata[0];

            vici_add_key_value (req, item->name, blob->data, (int) blob->len);
            break;
          }
        case VR_VICI_ITEM_LIST:
          vici_begin_list (req, item->name);
          for (guint k = 0; k < item->values->len; k++)
            {
              VrViciBlob *blob = item->values->pdata[k];

              vici_add_list_item (req, blob->data, (int) blob->len);
            }
          vici_end_list (req);
          break;
        case VR_VICI_ITEM_SECTION:
          vici_begin_section (req, item->name);
          add_items (req, item->section);
          vici_end_section (req);
          break;
        }
    }
}

/* libvici gave nothing: whether charon does not know what it was asked; ends the process if the connection is no good. */
static void
check_unknown (int why)
{
  if (why == EBADMSG)
    give_up (VR_VICI_WORKER_NONSENSE, "a malformed packet");
  if (why != ENOENT || charon_is_gone (0)) /* when charon goes, an old errno may say anything */
    _exit (1);
}

static void
carry_out (vici_conn_t *conn, const VrViciPacket *packet)
{
  vici_req_t *req = vici_begin (packet->name);
  vici_res_t *res;

  add_items (req, packet->message);
  res = vici_submit (req, conn);
  if (res != NULL)
    {
      g_autoptr (VrViciMessage) answer = read_message (res);

      vici_free_res (res);
      send_packet (VR_VICI_CMD_RESPONSE, NULL, answer);
    }
  else
    {
      check_unknown (errno);
      send_packet (VR_VICI_CMD_UNKNOWN, NULL, NULL);
    }
}

static void
register_event (vici_conn_t *conn, char *name)
{
  if (vici_register (conn, name, on_event, NULL) == 0)
    send_packet (VR_VICI_EVENT_CONFIRM, NULL, NULL);
  else
    {
      check_unknown (errno);
      send_packet (VR_VICI_EVENT_UNKNOWN, NULL, NULL);
    }
}

/* ---- from the caller ---- */

static void
read_all (void *data, gsize len)
{
  for (gsize got = 0; got < len;)
    {
      gssize n = read (VR_VICI_WORKER_FD, (char *) data + got, len - got);

      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        _exit (0);
      got += (gsize) n;
    }
}

static void
take_packet (vici_conn_t *conn)
{
  g_auto (VrViciPacket) packet = { 0 };
  g_autofree guint8 *data = NULL;
  guint32 len;
  gboolean good;

  read_all (&len, sizeof len);
  len = GUINT32_FROM_BE (len);
  if (len == 0 || len > VR_VICI_PACKET_MAX)
    _exit (2);
  data = g_malloc (len);
  read_all (data, len);
  good = vr_vici_packet_decode (data, len, &packet, NULL);
  explicit_bzero (data, len); /* it may hold a secret */
  if (!good || packet.name == NULL)
    _exit (2);
  if (packet.type == VR_VICI_EVENT_REGISTER)
    register_event (conn, packet.name);
  else
    carry_out (conn, &packet);
}

int
main (int argc, char **argv)
{
  vici_conn_t *conn;

  if (argc != 2)
    {
      fprintf (stderr, "vici-worker: run by virt-relayd, not by hand\n");
      return 2;
    }
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  signal (SIGPIPE, SIG_IGN); /* libvici writes to a charon that may be gone */
  vici_init ();
  errno = 0;
  conn = vici_connect (argv[1]);
  if (conn == NULL)
    give_up (VR_VICI_WORKER_REFUSED, errno != 0 ? g_strerror (errno) : "the address makes no sense");
  charon_fd = find_charon_fd ();
  g_thread_unref (g_thread_new ("watch", watch_charon, NULL));
  for (;;)
    take_packet (conn);
}
