/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * events HOST: writes what libvirtd and QEMU tell about every guest, one line each, for ever:
 *
 *   TIME HOST GUEST qemu STOP RECEIVED       TIME by QEMU, RECEIVED when it came here; RESUME, MIGRATION, ... likewise
 *   TIME HOST GUEST life SUSPENDED MIGRATED  TIME when it came here; the names of libvirt's lifecycle events
 *
 * Times are seconds since the epoch, with six decimals. Connects again whenever libvirtd went away.
 */
#include <libvirt/libvirt-qemu.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define N(array) (int) (sizeof (array) / sizeof (array)[0])

static const char *host;
static bool closed;

static const char *const lifecycles[] = {"DEFINED", "UNDEFINED", "STARTED", "SUSPENDED", "RESUMED",
                                         "STOPPED", "SHUTDOWN", "PMSUSPENDED", "CRASHED"};
/* Details of an event, by its number; those of events that are not here are written as numbers. */
static const char *const details[][10] = {
  [VIR_DOMAIN_EVENT_STARTED] = {"BOOTED", "MIGRATED", "RESTORED", "FROM_SNAPSHOT", "WAKEUP"},
  [VIR_DOMAIN_EVENT_SUSPENDED] = {"PAUSED", "MIGRATED", "IOERROR", "WATCHDOG", "RESTORED", "FROM_SNAPSHOT", "API_ERROR",
                                  "POSTCOPY", "POSTCOPY_FAILED"},
  [VIR_DOMAIN_EVENT_RESUMED] = {"UNPAUSED", "MIGRATED", "FROM_SNAPSHOT", "POSTCOPY", "POSTCOPY_FAILED"},
  [VIR_DOMAIN_EVENT_STOPPED] = {"SHUTDOWN", "DESTROYED", "CRASHED", "MIGRATED", "SAVED", "FAILED", "FROM_SNAPSHOT"},
};

static double
now (void)
{
  struct timespec t;
  clock_gettime (CLOCK_REALTIME, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static void
on_qemu (virConnectPtr connection, virDomainPtr domain, const char *event, long long seconds, unsigned micros,
         const char *text, void *opaque)
{
  printf ("%lld.%06u %s %s qemu %s %.6f %s\n", seconds, micros, host, virDomainGetName (domain), event, now (), text ? text : "");
}

static int
on_life (virConnectPtr connection, virDomainPtr domain, int event, int detail, void *opaque)
{
  const char *name = event < N (lifecycles) ? lifecycles[event] : "?";
  const char *more = event < N (details) && detail < N (details[0]) ? details[event][detail] : NULL;
  printf ("%.6f %s %s life %s ", now (), host, virDomainGetName (domain), name);
  if (more)
    printf ("%s\n", more);
  else
    printf ("%d\n", detail);
  return 0;
}

static void
on_close (virConnectPtr connection, int reason, void *opaque)
{
  closed = true;
}

static void
on_error (void *opaque, virErrorPtr error)
{
}

int
main (int argc, char **argv)
{
  host = argc == 2 ? argv[1] : "?";
  setvbuf (stdout, NULL, _IOLBF, 0);
  virSetErrorFunc (NULL, on_error);
  if (virInitialize () < 0 || virEventRegisterDefaultImpl () < 0)
    return 1;
  for (;;)
    {
      virConnectPtr connection = virConnectOpen ("qemu:///system");
      if (!connection)
        {
          usleep (100000);
          continue;
        }
      closed = false;
      virConnectRegisterCloseCallback (connection, on_close, NULL, NULL);
      virConnectDomainEventRegisterAny (connection, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                        VIR_DOMAIN_EVENT_CALLBACK (on_life), NULL, NULL);
      virConnectDomainQemuMonitorEventRegister (connection, NULL, NULL, on_qemu, NULL, NULL, 0);
      printf ("%.6f %s - events connected\n", now (), host);
      while (!closed && virEventRunDefaultImpl () >= 0)
        ;
      printf ("%.6f %s - events closed\n", now (), host);
      virConnectClose (connection);
    }
}
