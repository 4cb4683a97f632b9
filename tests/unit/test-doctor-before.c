/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the doctor expects of one migration before it begins. */
#include "doctor-world.h"

static void
assert_before (World *world, const char *guest, const char *host, VrCheckResult worst, const char *part)
{
  g_autoptr (GPtrArray) findings = vr_doctor_before (&world->patient, guest, host);
  g_autoptr (GString) said = g_string_new (NULL);
  for (guint i = 0; i < findings->len; i++)
    g_string_append_printf (said, "%s\n", ((VrFinding *) findings->pdata[i])->finding);
  g_assert_cmpint (vr_doctor_worst (findings), ==, worst);
  if (strstr (said->str, part) == NULL)
    g_error ("\"%s\" is not in:\n%s", part, said->str);
}

static void
test_before (World *world, gconstpointer data)
{
  assert_before (world, "d", "h3", VR_CHECK_OK, "nothing is seen here that would lose a packet of d");
  assert_before (world, "d", "h3", VR_CHECK_OK, "goes to its home h1, and from there through the tunnel to h3");
  assert_before (world, "d", "h3", VR_CHECK_OK, "straight to h3 after 10 answers");
  assert_before (world, "d", "h3", VR_CHECK_OK, "no ledger tells of an earlier move");
}

#define MOVE(uuid, stop, resumed, rest) \
  "{'uuid': <'" uuid "'>, 'phases': <{'stop': int64 " #stop ", 'resumed': int64 " #resumed "}>, " rest "}"

static void
test_before_pause (World *world, gconstpointer data)
{
  say (&world->patient.migrations, "aa{sv}",
       "[" MOVE (UUID, 1000000, 1200000, "'lost': <uint64 0>") ", " MOVE (UUID, 2000000, 2100000, "'lost': <uint64 0>") ", "
       MOVE (UUID, 3000000, 3300000, "'lost': <uint64 0>") ", " MOVE (UUID, 4000000, 9000000, "'returned': <true>") ", "
       MOVE ("another", 4000000, 9000000, "'lost': <uint64 9>") ", {'uuid': <'" UUID "'>, 'phases': <{'stop': int64 1}>}]");
  assert_before (world, "d", "h3", VR_CHECK_OK, "about 200 ms: the median of its 3 moves so far (longest 300 ms)");
  assert_before (world, "d", "h3", VR_CHECK_OK, "none of its moves so far lost a packet");
}

static void
test_before_lost (World *world, gconstpointer data)
{
  say (&world->patient.migrations, "aa{sv}",
       "[" MOVE (UUID, 1000000, 1200000, "'lost': <uint64 0>") ", " MOVE (UUID, 2000000, 2100000, "'lost': <uint64 3>") "]");
  assert_before (world, "d", "h3", VR_CHECK_WARNING, "1 of its 2 moves so far lost packets");
}

static void
test_before_wrong (World *world, gconstpointer data)
{
  assert_before (world, "nobody", "h3", VR_CHECK_FAILURE, "knows no guest \"nobody\"");
  assert_before (world, "d", "h9", VR_CHECK_FAILURE, "knows no host \"h9\"");
  assert_before (world, "d", "h1", VR_CHECK_FAILURE, "h1 is this host");
  say (&world->patient.guests, "aa{sv}", "[" GUEST ("'owner': <'h2'>, 'state': <'running'>") "]");
  assert_before (world, "d", "h3", VR_CHECK_FAILURE, "is h2's, not this host's");
}

static void
test_before_losing (World *world, gconstpointer data)
{
  say (&world->patient.guests, "aa{sv}",
       "[{'name': <'d'>, 'owner': <'h1'>, 'state': <'running'>, 'nics': <[{'mac': <'52:54:00:00:00:64'>, 'addresses': <@as []>}]>}]");
  assert_before (world, "d", "h3", VR_CHECK_FAILURE, "no address of its NIC 52:54:00:00:00:64 is known");
}

static void
test_before_sick (World *world, gconstpointer data)
{
  put (world, "/proc/sys/kernel/yama/ptrace_scope", "3\n");
  assert_before (world, "d", "h3", VR_CHECK_WARNING, "packets of d may be lost on its way to h3");
  put (world, "/proc/sys/net/ipv4/ip_forward", "0\n");
  assert_before (world, "d", "h3", VR_CHECK_FAILURE, "IPv4 forwarding is off");
  daemon_dies (world);
  assert_before (world, "d", "h3", VR_CHECK_FAILURE, "virt-relayd tells nothing");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  DOCTOR ("before/loss-free", test_before);
  DOCTOR ("before/pause", test_before_pause);
  DOCTOR ("before/lost", test_before_lost);
  DOCTOR ("before/wrong", test_before_wrong);
  DOCTOR ("before/losing", test_before_losing);
  DOCTOR ("before/sick", test_before_sick);
  return g_test_run ();
}
