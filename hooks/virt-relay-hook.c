/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virt-relay-hook: what libvirt runs as /etc/libvirt/hooks/qemu.d/virt-relay. Arguments and standard input become one
 * event (event.h), which goes to virt-relayd's socket, or to its spool when nobody acknowledges in time.
 *
 * libvirt waits for this program inside a guest's start or migration, takes a failure of it as an order to refuse,
 * and what it prints during `migrate` as the guest's new XML. Hence what always holds:
 * - The exit status is 0 and standard output stays empty, whatever happens. Trouble is one line on standard error and
 *   one in the journal.
 * - Every wait has an end: 1 s for the end of the input (libvirt always ends it), then 50 ms for the daemon, then 50
 *   ms for the spool. The spool is written by a child process: if the disk takes longer, libvirt does not wait for
 *   it.
 * - Plain libc, linked statically where it can be, and no library to load: it costs no more than starting any program.
 *
 * Input that is no event (no XML, cut off, too much of it, an operation that libvirt's documentation does not know)
 * is reported and dropped. Whether the XML makes sense is for the daemon to see.
 */
#include "hooks/event.h"

#include "daemon/names.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define SPOOL_TIMEOUT_MS 50

typedef struct {
  const char *guest, *operation, *sub_operation, *reason;
  long long time_us;
  char *xml;
  size_t xml_len;
  char header[VR_EVENT_MAX_HEADER];
  size_t header_len;
} Event;

static void complain (const char *format, ...) __attribute__ ((format (printf, 1, 2)));

static long long
clock_us (clockid_t clock)
{
  struct timespec now;

  clock_gettime (clock, &now);
  return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

/* The time left until `deadline` (CLOCK_MONOTONIC, us) for poll(), rounded up so that it is not 0 before the deadline. */
static int
ms_left (long long deadline)
{
  long long left = deadline - clock_us (CLOCK_MONOTONIC);

  return left <= 0 ? 0 : (int) ((left + 999) / 1000);
}

/* One line to standard error, and the same to the journal: a datagram that is dropped rather than waited for. */
static void
complain (const char *format, ...)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };
  char text[1024], line[1200];
  va_list args;
  int fd, len;

  va_start (args, format);
  vsnprintf (text, sizeof text, format, args);
  va_end (args);
  for (char *p = text; *p != '\0'; p++) /* a guest's name must not begin a line of its own */
    if ((unsigned char) *p < ' ')
      *p = '?';

  dprintf (STDERR_FILENO, "virt-relay-hook: %s\n", text);
  len = snprintf (line, sizeof line, "<28>virt-relay-hook[%d]: %s", (int) getpid (), text); /* daemon.warning */
  fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0)
    return;
  (void) !sendto (fd, line, (size_t) len, MSG_NOSIGNAL, (struct sockaddr *) &address, sizeof address);
  close (fd);
}

/* A missing standard descriptor would be given to the next socket or file, and messages written into that. */
static void
fill_standard_fds (void)
{
  int fd;

  do
    fd = open ("/dev/null", O_RDWR);
  while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd > STDERR_FILENO)
    close (fd);
}

static bool
operation_is_known (const char *word)
{
#define COMPARE(suffix, name)     \
  if (strcmp (word, name) == 0) \
    return true;
  VR_EVENT_OPERATIONS (COMPARE)
#undef COMPARE
  return false;
}

/* Makes room in the event's buffer; false when the limit is reached. */
static bool
grow_xml (Event *event, size_t *size)
{
  size_t wanted = *size == 0 ? 64 * 1024 : *size * 4;
  char *grown;

  if (event->xml_len < *size)
    return true;
  if (wanted > VR_EVENT_MAX_XML)
    wanted = VR_EVENT_MAX_XML;
  if (wanted == *size)
    return false;
  grown = realloc (event->xml, wanted);
  if (grown == NULL)
    return false;
  event->xml = grown;
  *size = wanted;
  return true;
}

/*
 * Reads standard input to its end. What goes beyond the limit is read and thrown away, so that libvirt's write does
 * not fail. Gives NULL, or what is wrong.
 */
static const char *
read_xml (Event *event)
{
  long long deadline = clock_us (CLOCK_MONOTONIC) + VR_EVENT_INPUT_TIMEOUT_MS * 1000LL;
  static char scrap[64 * 1024];
  bool too_large = false;
  size_t size = 0;

  if (isatty (STDIN_FILENO))
    return "standard input is a terminal: this program is run by libvirt";
  for (;;)
    {
      struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
      bool room = !too_large && grow_xml (event, &size);
      ssize_t got;

      if (ms_left (deadline) == 0 || poll (&input, 1, ms_left (deadline)) == 0)
        return "standard input did not end within 1 s";
      got = room ? read (STDIN_FILENO, event->xml + event->xml_len, size - event->xml_len)
                 : read (STDIN_FILENO, scrap, sizeof scrap);
      if (got < 0 && (errno == EINTR || errno == EAGAIN))
        continue;
      if (got < 0)
        return "standard input cannot be read";
      if (got == 0)
        return too_large ? "the domain XML on standard input is larger than 16 MiB" : NULL;
      if (room)
        event->xml_len += (size_t) got;
      else
        too_large = true;
    }
}

static bool
is_blank (char c)
{
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The cheap half of "is it XML": there is something, and it begins and ends like a document. */
static const char *
check_xml (const Event *event)
{
  const char *first = event->xml, *end = event->xml + event->xml_len;

  while (first < end && is_blank (*first))
    first++;
  while (end > first && is_blank (end[-1]))
    end--;
  if (first == end)
    return "no domain XML on standard input";
  if (*first != '<' || end[-1] != '>')
    return "standard input is not a whole XML document";
  return NULL;
}

/* Appends "KEY: VALUE\n", escaped as event.h says. Once the header is full it stays full. */
static void
add_line (Event *event, const char *key, const char *value)
{
  char *header = event->header;
  size_t len = event->header_len;

  if (len + strlen (key) + 3 * strlen (value) + 4 > sizeof event->header)
    {
      event->header_len = sizeof event->header;
      return;
    }
  len += (size_t) sprintf (header + len, "%s: ", key);
  for (; *value != '\0'; value++)
    {
      unsigned char c = (unsigned char) *value;

      if (c < 0x20 || c == 0x7f || c == '%')
        len += (size_t) sprintf (header + len, "%%%02X", c);
      else
        header[len++] = (char) c;
    }
  header[len++] = '\n';
  event->header_len = len;
}

static const char *
make_header (Event *event)
{
  char number[32];

  event->header_len = (size_t) sprintf (event->header, "%s\n", VR_EVENT_MAGIC);
  add_line (event, VR_EVENT_KEY_GUEST, event->guest);
  add_line (event, VR_EVENT_KEY_OPERATION, event->operation);
  add_line (event, VR_EVENT_KEY_SUB_OPERATION, event->sub_operation);
  add_line (event, VR_EVENT_KEY_REASON, event->reason);
  snprintf (number, sizeof number, "%lld", event->time_us);
  add_line (event, VR_EVENT_KEY_TIME, number);
  snprintf (number, sizeof number, "%zu", event->xml_len);
  add_line (event, VR_EVENT_KEY_LENGTH, number);
  if (event->header_len >= sizeof event->header)
    return "the arguments are too long";
  event->header[event->header_len++] = '\n';
  return NULL;
}

static int
connect_daemon (const char *path)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd;

  if (strlen (path) >= sizeof address.sun_path)
    return -1;
  strcpy (address.sun_path, path);
  fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0)
    return -1;
  if (connect (fd, (struct sockaddr *) &address, sizeof address) == 0)
    return fd;
  close (fd); /* nobody there, or so busy that its backlog is full */
  return -1;
}

/* Sends all of the event before `deadline`. */
static bool
send_event (int fd, const Event *event, long long deadline)
{
  size_t total = event->header_len + event->xml_len, sent = 0;

  while (sent < total)
    {
      size_t in_header = sent < event->header_len ? event->header_len - sent : 0;
      size_t in_xml = sent < event->header_len ? 0 : sent - event->header_len;
      struct iovec parts[2] = {
        { (void *) (event->header + event->header_len - in_header), in_header },
        { event->xml + in_xml, event->xml_len - in_xml },
      };
      struct pollfd output = { .fd = fd, .events = POLLOUT };
      ssize_t done = writev (fd, parts, 2);

      if (done > 0)
        sent += (size_t) done;
      else if (done < 0 && errno != EINTR && errno != EAGAIN)
        return false;
      if (sent < total && (ms_left (deadline) == 0 || poll (&output, 1, ms_left (deadline)) == 0))
        return false;
    }
  return shutdown (fd, SHUT_WR) == 0;
}

static bool
wait_for_ack (int fd, long long deadline)
{
  const size_t expected = strlen (VR_EVENT_ACK);
  char answer[8];
  size_t len = 0;

  while (len < expected)
    {
      struct pollfd input = { .fd = fd, .events = POLLIN };
      ssize_t got;

      if (poll (&input, 1, ms_left (deadline)) == 0)
        return false;
      got = read (fd, answer + len, expected - len);
      if (got > 0)
        len += (size_t) got;
      else if (got == 0 || (errno != EINTR && errno != EAGAIN))
        return false;
    }
  return memcmp (answer, VR_EVENT_ACK, expected) == 0;
}

/* Hands the event to the daemon; true when it answered that it has it. */
static bool
deliver (const Event *event, const char *path)
{
  long long deadline = clock_us (CLOCK_MONOTONIC) + VR_EVENT_ACK_TIMEOUT_MS * 1000LL;
  int fd = connect_daemon (path);
  bool taken;

  if (fd < 0)
    return false;
  taken = send_event (fd, event, deadline) && wait_for_ack (fd, deadline);
  close (fd);
  return taken;
}

static bool
write_all (int fd, const char *data, size_t len)
{
  while (len > 0)
    {
      ssize_t done = write (fd, data, len);

      if (done < 0 && errno == EINTR)
        continue;
      if (done < 0)
        return false;
      data += done;
      len -= (size_t) done;
    }
  return true;
}

static bool
spool_is_full (int dir_fd)
{
  int listing_fd = openat (dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *listing = listing_fd < 0 ? NULL : fdopendir (listing_fd);
  size_t entries = 0;

  if (listing == NULL)
    return false;
  while (readdir (listing) != NULL)
    entries++;
  closedir (listing);
  return entries >= VR_SPOOL_MAX_FILES;
}

/* Writes one file of the spool so that it is there whole or not at all; 0, or an errno. */
static int
write_spool_file (int dir_fd, const Event *event)
{
  char name[64], temporary[80];
  bool written;
  int fd, error;

  snprintf (name, sizeof name, VR_SPOOL_NAME_FORMAT, event->time_us, (int) getpid ());
  snprintf (temporary, sizeof temporary, ".%s", name);
  fd = openat (dir_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0)
    return errno;
  written = write_all (fd, event->header, event->header_len) && write_all (fd, event->xml, event->xml_len) && fsync (fd) == 0;
  error = written ? 0 : errno;
  close (fd);
  if (error == 0 && renameat (dir_fd, temporary, dir_fd, name) != 0)
    error = errno;
  if (error != 0)
    unlinkat (dir_fd, temporary, 0);
  else if (fsync (dir_fd) != 0)
    error = errno;
  return error;
}

/* Without virt-relay's folder the daemon never ran here: nobody will ever ask for the event, and that is no trouble. */
static int
spool (const Event *event, const char *path)
{
  int dir_fd, error;

  if (mkdir (path, 0700) != 0 && errno == ENOENT)
    return 0;
  dir_fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir_fd < 0)
    return errno;
  error = spool_is_full (dir_fd) ? EDQUOT : write_spool_file (dir_fd, event);
  close (dir_fd);
  return error;
}

/*
 * Spools in a child, which has none of libvirt's pipes: libvirt waits for this process and for the end of its output,
 * not for a disk. The child's errno comes over a pipe.
 */
static void
spool_in_child (const Event *event, const char *path)
{
  struct pollfd input = { .events = POLLIN };
  int ends[2], error = 0;
  pid_t child;

  if (pipe2 (ends, O_CLOEXEC) != 0)
    ends[0] = ends[1] = -1;
  child = fork ();
  if (child == 0)
    {
      for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        close (fd);
      fill_standard_fds ();
      error = spool (event, path);
      if (write (ends[1], &error, sizeof error) != sizeof error && error != 0)
        complain ("guest %s, %s %s: the event cannot be written to %s (%s)", event->guest, event->operation,
                  event->sub_operation, path, strerror (error));
      _exit (0);
    }
  close (ends[1]);
  input.fd = ends[0];
  if (child < 0)
    error = errno;
  else if (poll (&input, 1, SPOOL_TIMEOUT_MS) <= 0)
    complain ("guest %s, %s %s: %s is slow, the event is still being written", event->guest, event->operation,
              event->sub_operation, path);
  else if (read (ends[0], &error, sizeof error) != sizeof error)
    error = EIO;
  if (error != 0)
    complain ("guest %s, %s %s: virt-relayd does not answer and the event cannot be written to %s (%s); it is lost, see "
              "`systemctl status virt-relayd`", event->guest, event->operation, event->sub_operation, path,
              error == EDQUOT ? "full" : strerror (error));
}

static const char *
path_of (const char *variable, const char *standard)
{
  const char *path = getenv (variable);

  return path != NULL && *path != '\0' ? path : standard;
}

int
main (int argc, char **argv)
{
  static Event event;
  const char *trouble;

  event.time_us = clock_us (CLOCK_REALTIME);
  signal (SIGPIPE, SIG_IGN);
  fill_standard_fds ();
  if (argc < 4)
    {
      complain ("run by libvirt as /etc/libvirt/hooks/qemu.d/virt-relay GUEST OPERATION SUB-OPERATION REASON");
      return 0;
    }
  event.guest = argv[1];
  event.operation = argv[2];
  event.sub_operation = argv[3];
  event.reason = argc > 4 ? argv[4] : "-";
  trouble = operation_is_known (event.operation) ? read_xml (&event) : "an operation that virt-relay does not know";
  if (trouble == NULL)
    trouble = check_xml (&event);
  if (trouble == NULL)
    trouble = make_header (&event);
  if (trouble != NULL)
    complain ("guest %s, %s %s: %s; the event is dropped", event.guest, event.operation, event.sub_operation, trouble);
  else if (!deliver (&event, path_of (VR_ENV_HOOK_SOCKET, VR_HOOK_SOCKET)))
    spool_in_child (&event, path_of (VR_ENV_SPOOL_DIR, VR_SPOOL_DIR));
  return 0;
}
