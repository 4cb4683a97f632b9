/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A switchover that loses nothing, theory of operation.
 *
 * Until the routes are flipped, packets for the guest go into its taps; from QEMU's stop on nobody gives them to the guest. Flipping quickly loses
 * those of the time between. So:
 *
 *   armed       The guest is about to leave. QEMU's tap queues are open here, too (queues.h); copies are taken of all that the taps are
 *               sent (copies.h), and of what leaves for the guest by the tunnel; the way out of the tunnel (outlet.h) is open. It costs
 *               a copy a packet, and the memory that the setup allows.
 *   run         The guest is stopped. Read the taps, send what was not given to the guest (port.c: which that is) out of the tunnel, flip, and
 *               again. The packets that go by the new route come after those: the flip is the last thing before the last pass.
 *   following   A packet that was on its way to the tap when the route changed gets there a little later: passes after 1, 5 and 20 ms. Then
 *               the queues are let go of, because while they are held the tap lives on, and the guest could not come back under its name. Senders of
 *               what was too large for the tunnel are told so (too-big.h).
 *   keeping     Copies of what leaves for the guest by the tunnel go on being kept: the migration may still fail, and the guest go on here.
 *   returned    It did. What was kept was pushed into the taps, before the flip back, so that it comes before what goes there by the old
 *               route, and after the flip, what was on its way then; a packet whose sender was held up in between leaves by the tunnel a little later:
 *               once more after 1, 5 and 20 ms. The taps' queues are made long enough for all of it before, while the routes lead elsewhere
 *               (tap-queue.h), and stay so.
 *
 * All is held by file descriptors and memory of this process: however it ends, nothing is left. Armed, nothing is changed anywhere, so being
 * called off is letting go.
 *
 * Only packets to the guest's own addresses are ever sent. ARP, neighbour discovery and multicast stay where they are.
 */
#include "switchover.h"

#include "copies.h"
#include "outlet.h"
#include "port.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <string.h>
#include <time.h>

#define TRIM_MS 20
#define TAP_QUEUE 1000 /* what the kernel gives a tap, for what comes by the old route meanwhile */

#define CATCH_UP_NS (50 * G_GINT64_CONSTANT (1000000)) /* at most; if frames come faster than they can be sent, there is no end of them */
#define NEXT_FRAME_NS (500 * G_GINT64_CONSTANT (1000))

static const guint follow_up_ms[] = { 1, 5, 20 }; /* after the flip, and after the flip back */

typedef enum {
  ARMED,     /* ready: may be run, or freed without trace */
  FOLLOWING, /* flipped; passes are due. May return, or be freed: the last pass is done then */
  KEEPING,   /* the queues are let go of; copies of what leaves are kept. May return, or be freed */
  RETURNED,  /* flipped back; as long as something is kept, passes are due. May be freed: the last pass is done then */
  N_STATES
} State;

static const char *const state_names[] = { "armed", "following", "keeping", "returned" };
G_STATIC_ASSERT (G_N_ELEMENTS (state_names) == N_STATES);

typedef enum { RUN, LET_GO, RETURN, N_STEPS } Step;

#define NOT_ALLOWED N_STATES
static const State transitions[N_STATES][N_STEPS] = {
  /*               RUN          LET_GO       RETURN      */
  [ARMED]     = { FOLLOWING,   NOT_ALLOWED, NOT_ALLOWED },
  [FOLLOWING] = { NOT_ALLOWED, KEEPING,     RETURNED    },
  [KEEPING]   = { NOT_ALLOWED, NOT_ALLOWED, RETURNED    },
  [RETURNED]  = { NOT_ALLOWED, NOT_ALLOWED, NOT_ALLOWED },
};

struct _VrSwitchover {
  VrSwitchoverSetup *setup;
  State              state;
  VrAddresses       *addresses;
  VrOutlet          *tunnel;       /* NULL: route only */
  guint              tunnel_index;
  VrCopies          *kept;         /* NULL: none are */
  VrPort            *ports[VR_SWITCHOVER_MAX_NICS];
  guint64            kept_before;  /* copies of a time when it still was only armed */
  VrSwitchoverCounts counts;
  guint              timer, follow_ups;
  VrSwitchoverTold   told;
  gpointer           told_data;
};

/* ---- armed ---- */

static gboolean
on_trim (gpointer data)
{
  VrSwitchover *self = data;

  for (guint i = 0; i < self->counts.n_nics; i++)
    vr_port_trim (self->ports[i]);
  return G_SOURCE_CONTINUE;
}

/* All that the NICs need in common; without it nothing is sent again, and why stands in each NIC's counts. */
static gboolean
arm_tunnel (VrSwitchover *self, GError **error)
{
  if (self->setup->off != NULL)
    {
      g_set_error_literal (error, VR_SWITCHOVER_ERROR, VR_SWITCHOVER_ERROR_INTERFACE, self->setup->off);
      return FALSE;
    }
  self->tunnel = vr_outlet_new (self->setup->tunnel, error);
  if (self->tunnel == NULL)
    return FALSE;
  self->kept = vr_copies_new (self->setup->tunnel, self->addresses, VR_ANY_QUEUE, FALSE, self->setup->kept_memory, error);
  if (self->kept == NULL)
    g_clear_pointer (&self->tunnel, vr_outlet_free);
  return self->kept != NULL;
}

static void
arm_nic (VrSwitchover *self, const VrNicSetup *nic, const char *why_not)
{
  VrSwitchoverNic *counts = &self->counts.nics[self->counts.n_nics];

  if (why_not == NULL)
    {
      VrPort *port = vr_port_arm (nic->tap, nic->mac, nic->gateway_mac, self->setup->pid_file, self->addresses, self->tunnel,
                                  self->setup->copies_memory);

      self->ports[self->counts.n_nics] = port;
      self->counts.memory += vr_port_memory (port);
    }
  else
    {
      g_strlcpy (counts->tap, nic->tap, sizeof counts->tap);
      g_strlcpy (counts->mac, nic->mac, sizeof counts->mac);
      g_strlcpy (counts->reason, why_not, sizeof counts->reason);
      counts->way = VR_WAY_ROUTE_ONLY;
    }
  self->counts.n_nics++;
}

VrSwitchover *
vr_switchover_arm (VrSwitchoverSetup *setup)
{
  VrSwitchover *self = g_new0 (VrSwitchover, 1);
  g_autoptr (GError) error = NULL;

  self->setup = setup;
  self->addresses = vr_addresses_new ();
  for (guint i = 0; i < setup->nics->len; i++)
    for (char **address = ((VrNicSetup *) setup->nics->pdata[i])->addresses; *address != NULL; address++)
      vr_addresses_add (self->addresses, *address, i);
  self->tunnel_index = if_nametoindex (setup->tunnel);
  if (arm_tunnel (self, &error))
    self->counts.memory += vr_copies_memory (self->kept);
  for (guint i = 0; i < setup->nics->len; i++)
    arm_nic (self, setup->nics->pdata[i], error != NULL ? error->message : NULL);
  if (self->tunnel != NULL)
    self->timer = g_timeout_add_full (G_PRIORITY_DEFAULT + 10, TRIM_MS, on_trim, self, NULL); /* after the event, if that waits */
  return self;
}

gboolean
vr_switchover_may_return (const VrSwitchover *self)
{
  return transitions[self->state][RETURN] != NOT_ALLOWED;
}

gboolean
vr_switchover_fits (VrSwitchover *self, const VrSwitchoverSetup *setup)
{
  if (self->state != ARMED || !vr_switchover_setup_equal (self->setup, setup) || if_nametoindex (setup->tunnel) != self->tunnel_index)
    return FALSE;
  for (guint i = 0; i < self->counts.n_nics; i++)
    if (self->ports[i] != NULL && !vr_port_is_there (self->ports[i]))
      return FALSE;
  return TRUE;
}

/* ---- run ---- */

static gint64
now_ns (void)
{
  struct timespec now;

  clock_gettime (CLOCK_REALTIME, &now);
  return now.tv_sec * G_GINT64_CONSTANT (1000000000) + now.tv_nsec;
}

static gboolean
step (VrSwitchover *self, Step step)
{
  State next = transitions[self->state][step];

  if (next == NOT_ALLOWED)
    return FALSE;
  self->state = next;
  return TRUE;
}

const char *
vr_switchover_get_state (const VrSwitchover *self)
{
  return state_names[self->state];
}

static guint
pass (VrSwitchover *self)
{
  guint sent = 0;

  for (guint i = 0; i < self->counts.n_nics; i++)
    if (self->ports[i] != NULL)
      sent += vr_port_pass (self->ports[i]);
  return sent;
}

void
vr_switchover_get_counts (VrSwitchover *self, VrSwitchoverCounts *counts)
{
  if (self->kept != NULL && self->state != ARMED)
    {
      self->counts.kept = vr_copies_seen (self->kept) - self->kept_before;
      self->counts.kept_dropped = vr_copies_lost (self->kept);
    }
  for (guint i = 0; i < self->counts.n_nics; i++)
    if (self->ports[i] != NULL)
      self->counts.nics[i] = *vr_port_counts (self->ports[i]);
  *counts = self->counts;
}

static void
tell (VrSwitchover *self)
{
  VrSwitchoverCounts counts;

  vr_switchover_get_counts (self, &counts);
  if (self->told != NULL)
    self->told (&counts, self->told_data);
}

static void
let_go (VrSwitchover *self)
{
  for (guint i = 0; i < self->counts.n_nics; i++)
    if (self->ports[i] != NULL)
      vr_port_let_go (self->ports[i]);
  if (self->tunnel != NULL)
    self->counts.told = vr_outlet_tell_senders (self->tunnel);
  self->counts.let_go_ns = now_ns ();
}

/* The next of the passes that are due after a flip; FALSE: that was the last. */
static gboolean
follow_up (VrSwitchover *self, GSourceFunc next)
{
  guint before = self->follow_ups > 0 ? follow_up_ms[self->follow_ups - 1] : 0;

  self->timer = 0;
  if (self->follow_ups == G_N_ELEMENTS (follow_up_ms))
    return FALSE;
  self->timer = g_timeout_add_full (G_PRIORITY_HIGH, follow_up_ms[self->follow_ups++] - before, next, self, NULL);
  return TRUE;
}

static gboolean
on_follow_up (gpointer data)
{
  VrSwitchover *self = data;

  self->counts.late += pass (self);
  if (!follow_up (self, on_follow_up))
    {
      let_go (self);
      step (self, LET_GO);
      tell (self);
    }
  return G_SOURCE_REMOVE;
}

/*
 * Frames that come while others are sent have to go before the flip, too: those that go by the new route must not overtake them. So passes follow
 * until one finds nothing, each shorter than the one before, as long as frames come more slowly than they are sent. Then the best time to flip
 * is just after a frame: waited for is the next one, if they come fast enough.
 */
static void
catch_up (VrSwitchover *self)
{
  gint64  until = self->counts.begin_ns + CATCH_UP_NS, last_ns = 0, idle_until = 0;
  gint64  now;

  do
    {
      guint sent = pass (self);

      now = now_ns ();
      if (sent == 1 && last_ns != 0)
        return; /* alone, after a gap: this is the moment */
      if (sent > 0)
        last_ns = now;
      else if (last_ns == 0)
        return; /* no traffic to speak of */
      else if (idle_until == 0)
        idle_until = now + NEXT_FRAME_NS;
    }
  while (now < until && (idle_until == 0 || now < idle_until));
}

gboolean
vr_switchover_run (VrSwitchover *self, gint64 stop_us, gint64 event_us, VrSwitchoverFlip flip, gpointer data)
{
  self->counts.begin_ns = now_ns ();
  g_return_val_if_fail (step (self, RUN), FALSE);
  self->counts.stop_ns = stop_us * 1000;
  self->counts.event_ns = event_us * 1000;
  if (self->kept != NULL)
    {
      self->kept_before = vr_copies_seen (self->kept);
      vr_copies_drop (self->kept, vr_copies_count (self->kept));
    }
  for (guint i = 0; i < self->counts.n_nics; i++)
    if (self->ports[i] != NULL)
      vr_port_begin (self->ports[i], (stop_us != 0 ? stop_us : event_us) * 1000);
  catch_up (self);
  self->counts.flip_begin_ns = now_ns ();
  self->counts.flipped = flip (data);
  self->counts.flip_end_ns = now_ns ();
  pass (self);
  self->counts.end_ns = now_ns ();
  g_clear_handle_id (&self->timer, g_source_remove);
  follow_up (self, on_follow_up);
  return self->counts.flipped;
}

/* ---- and back ---- */

static void
push_back (VrSwitchover *self)
{
  guint link_len = vr_copies_link_len (self->kept);

  for (guint count = vr_copies_count (self->kept); count > 0; count--)
    {
      VrCopy copy;
      int    nic;

      if (vr_copies_take (self->kept, &copy) && copy.len > link_len)
        {
          if (copy.header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
            copy.header.csum_start -= link_len;
          if (copy.header.hdr_len >= link_len)
            copy.header.hdr_len -= link_len;
          nic = vr_addresses_find (self->addresses, copy.frame + link_len, copy.len - link_len);
          if (nic >= 0 && (guint) nic < self->counts.n_nics && self->ports[nic] != NULL)
            vr_port_push (self->ports[nic], &copy.header, copy.frame + link_len, copy.len - link_len);
        }
      vr_copies_drop (self->kept, 1);
    }
}

/* What leaves by the tunnel while this goes on has to come before the flip back, too. */
static void
catch_up_back (VrSwitchover *self)
{
  gint64 until = now_ns () + CATCH_UP_NS;

  while (vr_copies_count (self->kept) > 0 && now_ns () < until)
    push_back (self);
}

/* What is pushed back comes all at once, faster than the guest reads. */
static void
lengthen (VrSwitchover *self)
{
  guint packets = vr_copies_count (self->kept) * 2 + TAP_QUEUE;

  for (guint i = 0; i < self->counts.n_nics; i++)
    if (self->ports[i] != NULL)
      vr_port_lengthen (self->ports[i], packets);
}

static void
end_return (VrSwitchover *self)
{
  push_back (self);
  tell (self); /* while what was kept can be counted */
  g_clear_pointer (&self->kept, vr_copies_free);
}

static gboolean
on_returned (gpointer data)
{
  VrSwitchover *self = data;

  if (follow_up (self, on_returned))
    push_back (self);
  else
    end_return (self);
  return G_SOURCE_REMOVE;
}

gboolean
vr_switchover_return (VrSwitchover *self, VrSwitchoverFlip flip, gpointer data)
{
  gboolean flipped;

  if (!step (self, RETURN))
    return FALSE;
  g_clear_handle_id (&self->timer, g_source_remove); /* the guest reads its taps again: nobody else may */
  if (self->counts.let_go_ns == 0)
    let_go (self);
  if (self->kept != NULL)
    {
      lengthen (self);
      catch_up_back (self);
    }
  flipped = flip (data);
  self->counts.returned_ns = now_ns ();
  if (self->kept == NULL)
    {
      tell (self);
      return flipped;
    }
  push_back (self);
  self->follow_ups = 0;
  follow_up (self, on_returned);
  return flipped;
}

gboolean
vr_switchover_is_returning (const VrSwitchover *self)
{
  return self->state == RETURNED && self->kept != NULL;
}

void
vr_switchover_tell (VrSwitchover *self, VrSwitchoverTold told, gpointer data)
{
  self->told = told;
  self->told_data = data;
}

void
vr_switchover_free (VrSwitchover *self)
{
  if (self == NULL)
    return;
  g_clear_handle_id (&self->timer, g_source_remove);
  if (self->state == FOLLOWING)
    {
      self->counts.late += pass (self);
      let_go (self);
      step (self, LET_GO);
      tell (self);
    }
  if (vr_switchover_is_returning (self))
    end_return (self);
  for (guint i = 0; i < self->counts.n_nics; i++)
    if (self->ports[i] != NULL)
      vr_port_free (self->ports[i]);
  vr_copies_free (self->kept);
  vr_outlet_free (self->tunnel);
  vr_addresses_free (self->addresses);
  vr_switchover_setup_free (self->setup);
  g_free (self);
}
