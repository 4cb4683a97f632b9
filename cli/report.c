/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A migration's page: verdict; the path before, during and after; the packets over QEMU's phases; the counts of each host.
 *
 * The pause lasts milliseconds, what comes before and after it seconds. So the time line has four columns of the same width (copying,
 * stopped, relayed, straight), each with its own scale and its duration at its head; a bar begins and ends where its packets did, and
 * its number says how many there were. Text from elsewhere goes through add_escaped() and nothing else.
 */
#include "cli/report.h"

#include "cli/show.h"

enum { N_BOUNDS = 5 }; /* of the four columns */

static const char style[] =
  ":root{color-scheme:light dark;--b:#fff;--f:#1b1f24;--m:#5b6570;--l:#d5dae0;--p:#f3f5f7;--go:#1a6fd0;--wait:#b26a00;--ok:#18794e;--bad:#c62828}\n"
  "@media(prefers-color-scheme:dark){:root{--b:#14171b;--f:#e6e9ed;--m:#9aa5b1;--l:#353c45;--p:#1e2329;--go:#58a6ff;--wait:#e3a13b;--ok:#4cc38a;--bad:#ff7b72}}\n"
  "*{box-sizing:border-box}body{margin:0 auto;max-width:70rem;padding:1rem;background:var(--b);color:var(--f);font:16px/1.45 system-ui,sans-serif}\n"
  "h1{font-size:1.4rem}h2{font-size:1.2rem;margin:0}h3{font-size:1rem;margin:1.4rem 0 .4rem}section{border-top:1px solid var(--l);padding:1.2rem 0}\n"
  ".m{color:var(--m)}.v{margin:.5rem 0;padding:.5rem .8rem;border-left:4px solid var(--ok);background:var(--p);overflow-wrap:anywhere}.v.bad{border-color:var(--bad)}.v.open{border-color:var(--wait)}\n"
  ".paths{display:grid;grid-template-columns:repeat(auto-fit,minmax(15rem,1fr));gap:.8rem}figure{margin:0;background:var(--p);padding:.6rem}figcaption{font-size:.9rem}\n"
  "svg{width:100%;height:auto;max-height:11rem;display:block}svg text{fill:var(--f);font:13px system-ui,sans-serif;text-anchor:middle}svg .h{fill:var(--b);stroke:var(--m)}\n"
  "svg .on{stroke:var(--go);stroke-width:3;fill:none}svg .off{stroke:var(--l);stroke-width:2;stroke-dasharray:4 4;fill:none}svg .g{fill:var(--go)}svg .gt{fill:var(--b)}\n"
  ".t{position:relative}.cols,.row{display:grid;grid-template-columns:11rem 1fr;gap:.6rem;align-items:center}.cols{font-size:.8rem;color:var(--m)}.heads{display:grid;grid-template-columns:repeat(4,1fr)}\n"
  ".heads div{border-left:1px solid var(--l);padding-left:.3rem}.lane{position:relative;height:1.7rem;background:linear-gradient(90deg,var(--l) 1px,transparent 1px) 0 0/25% 100%}\n"
  ".bar{position:absolute;top:.3rem;bottom:.3rem;min-width:4px;border-radius:2px;background:var(--go)}.wait .bar{background:var(--wait)}.ok .bar{background:var(--ok)}.bad .bar{background:var(--bad)}\n"
  ".n{font-variant-numeric:tabular-nums;font-weight:600}.row{font-size:.9rem;border-bottom:1px solid var(--p)}.scroll{overflow-x:auto}\n"
  "table{border-collapse:collapse;font-size:.9rem}td,th{text-align:left;padding:.2rem .8rem .2rem 0;border-bottom:1px solid var(--l);white-space:nowrap}td.n{text-align:right}\n"
  "@media(max-width:40rem){.cols,.row{grid-template-columns:1fr;gap:.1rem}.cols>:first-child{display:none}.heads{font-size:.7rem}}\n";

static void
add_escaped (GString *page, const char *text)
{
  g_autofree char *shown = vr_show_text (text);
  g_autofree char *escaped = g_markup_escape_text (shown, -1);
  g_string_append (page, escaped);
}

gint64
vr_report_phase (GVariant *item, const char *phase)
{
  g_autoptr (GVariant) phases = g_variant_lookup_value (item, "phases", G_VARIANT_TYPE ("a{sx}"));
  gint64 at = 0;
  if (phases != NULL)
    g_variant_lookup (phases, phase, "x", &at);
  return at;
}

/* ---- what is in a migration ---- */

static GVariant *
host_of (GVariant *migration, const char *role)
{
  g_autoptr (GVariant) hosts = g_variant_lookup_value (migration, "hosts", G_VARIANT_TYPE ("aa{sv}"));
  for (gsize i = 0; hosts != NULL && i < g_variant_n_children (hosts); i++)
    {
      g_autoptr (GVariant) host = g_variant_get_child_value (hosts, i);
      if (g_strcmp0 (vr_item_text (host, "role", NULL), role) == 0)
        return g_steal_pointer (&host);
    }
  return NULL;
}

/* The sum over its NICs; FALSE: nobody counted it. */
static gboolean
counted (GVariant *migration, const char *role, const char *count, guint64 *sum)
{
  g_autoptr (GVariant) host = host_of (migration, role);
  g_autoptr (GVariant) nics = host != NULL ? g_variant_lookup_value (host, "nics", G_VARIANT_TYPE ("aa{sv}")) : NULL;
  gboolean any = FALSE;
  *sum = 0;
  for (gsize i = 0; nics != NULL && i < g_variant_n_children (nics); i++)
    {
      g_autoptr (GVariant) nic = g_variant_get_child_value (nics, i);
      g_autoptr (GVariant) counts = g_variant_lookup_value (nic, "counts", G_VARIANT_TYPE ("a{st}"));
      guint64 packets;
      if (counts == NULL || !g_variant_lookup (counts, count, "t", &packets))
        continue;
      any = TRUE;
      *sum += packets;
    }
  return any;
}

/* ---- the path ---- */

static void
add_host (GString *page, int x, int y, const char *name, gboolean guest)
{
  g_string_append_printf (page, "<rect class=h x=%d y=%d width=64 height=34 rx=4 /><text x=%d y=%d>", x - 32, y - 17, x, y + 5);
  add_escaped (page, name);
  g_string_append (page, "</text>");
  if (guest)
    g_string_append_printf (page, "<circle class=g cx=%d cy=%d r=9 /><text class=gt x=%d y=%d font-weight=bold>g</text>", x + 32, y - 17, x + 32, y - 13);
}

/* Peer on top, origin below left, target below right; `lines`: one for each of peer-origin, origin-target, peer-target. */
static void
add_path (GString *page, const char *caption, const char *const names[3], const gboolean lines[3], gboolean moved)
{
  static const char *const ends[] = { "150 32L60 118", "60 118L240 118", "150 32L240 118" };
  g_string_append (page, "<figure><svg viewBox='0 0 300 150' role=img>");
  for (guint i = 0; i < 3; i++)
    g_string_append_printf (page, "<path class=%s d='M%s' />", lines[i] ? "on" : "off", ends[i]);
  add_host (page, 150, 32, names[0], FALSE);
  add_host (page, 60, 118, names[1], !moved);
  add_host (page, 240, 118, names[2], moved);
  g_string_append_printf (page, "</svg><figcaption>%s</figcaption></figure>", caption);
}

static void
add_paths (GString *page, GVariant *migration)
{
  g_autoptr (GVariant) peer = host_of (migration, "peer");
  const char *const names[] = { peer != NULL ? vr_item_text (peer, "host", "-") : "others", vr_item_text (migration, "origin", "-"),
                                vr_item_text (migration, "target", "-") };
  gboolean returned = vr_item_flag (migration, "returned"), direct = vr_report_phase (migration, "direct") != 0;

  g_string_append (page, "<h3>The path to the guest (g)</h3><div class=paths>");
  add_path (page, "Before: to the origin", names, (const gboolean[]) { TRUE, FALSE, FALSE }, FALSE);
  add_path (page, "During: relayed by the origin", names, (const gboolean[]) { TRUE, TRUE, FALSE }, TRUE);
  if (returned)
    add_path (page, "After: aborted, back at the origin", names, (const gboolean[]) { TRUE, FALSE, FALSE }, FALSE);
  else if (direct)
    add_path (page, "After: straight to the target", names, (const gboolean[]) { FALSE, FALSE, TRUE }, TRUE);
  else
    add_path (page, "After: still relayed", names, (const gboolean[]) { TRUE, TRUE, FALSE }, TRUE);
  g_string_append (page, "</div>");
}

/* ---- the packets over time ---- */

static gint64
first_of (GVariant *migration, const char *const *phases)
{
  for (; *phases != NULL; phases++)
    {
      gint64 at = vr_report_phase (migration, *phases);
      if (at != 0)
        return at;
    }
  return 0;
}

/* The times between the columns, never falling. */
static void
find_bounds (GVariant *migration, gint64 bounds[N_BOUNDS])
{
  static const char *const begins[] = { "leaving", "intent", "armed", "stop", "event", "flip", NULL };
  static const char *const stops[] = { "stop", "event", "flip", NULL };
  static const char *const resumes[] = { "resumed", "returned", "running", NULL };
  static const char *const directs[] = { "direct", "counted", NULL };
  static const char *const ends[] = { "counted", NULL };
  g_autoptr (GVariant) target = host_of (migration, "target");

  bounds[0] = first_of (migration, begins);
  bounds[1] = first_of (migration, stops);
  bounds[2] = first_of (migration, resumes);
  bounds[3] = first_of (migration, directs);
  bounds[4] = target != NULL ? first_of (target, ends) : first_of (migration, ends);
  for (guint i = 1; i < N_BOUNDS; i++)
    bounds[i] = MAX (bounds[i], bounds[i - 1]);
}

/* In percent of the line. */
static double
place (const gint64 bounds[N_BOUNDS], gint64 at)
{
  for (guint i = 1; i < N_BOUNDS; i++)
    if (at < bounds[i] && bounds[i] > bounds[i - 1])
      return 25.0 * (i - 1) + 25.0 * (double) MAX (at - bounds[i - 1], 0) / (double) (bounds[i] - bounds[i - 1]);
  return 100;
}

static void
add_lane (GString *page, const gint64 bounds[N_BOUNDS], const char *class, const char *label, guint64 packets, gint64 from, gint64 to)
{
  double left = place (bounds, from), right = place (bounds, to);
  char   x[G_ASCII_DTOSTR_BUF_SIZE], width[G_ASCII_DTOSTR_BUF_SIZE];

  g_string_append_printf (page, "<div class='row %s'><div>%s <span class=n>%" G_GUINT64_FORMAT "</span></div><div class=lane>", class, label, packets);
  if (packets > 0)
    g_string_append_printf (page, "<div class=bar style='left:%s%%;width:%s%%'></div>",
                            g_ascii_formatd (x, sizeof x, "%.2f", MIN (left, 99)), g_ascii_formatd (width, sizeof width, "%.2f", MAX (right - left, 0.3)));
  g_string_append (page, "</div></div>");
}

static void
add_heads (GString *page, const gint64 bounds[N_BOUNDS])
{
  static const char *const heads[] = { "memory is copied", "stopped", "runs, relayed", "straight" };

  g_string_append (page, "<div class=cols><div>each column to its own scale</div><div class=heads>");
  for (guint i = 0; i < G_N_ELEMENTS (heads); i++)
    {
      char ms[G_ASCII_DTOSTR_BUF_SIZE];
      g_string_append_printf (page, "<div>%s<br>%s ms</div>", heads[i],
                              g_ascii_formatd (ms, sizeof ms, "%.1f", (double) (bounds[i + 1] - bounds[i]) / 1000));
    }
  g_string_append (page, "</div></div>");
}

static void
add_timeline (GString *page, GVariant *migration)
{
  gint64  bounds[N_BOUNDS], flip = vr_report_phase (migration, "flip"), stop, answer = vr_report_phase (migration, "answer");
  guint64 n, lost = vr_item_number (migration, "lost"), waiting = vr_item_number (migration, "waiting");

  find_bounds (migration, bounds);
  stop = bounds[1];
  flip = flip != 0 ? flip : stop;
  g_string_append (page, "<h3>Packets to the guest, over QEMU's phases</h3><div class=t>");
  add_heads (page, bounds);
  if (counted (migration, "origin", "came", &n))
    add_lane (page, bounds, "", "sent to the origin", n, bounds[0], bounds[3]);
  if (counted (migration, "origin", "handed", &n))
    add_lane (page, bounds, "", "to its tap there", n, bounds[0], flip);
  if (counted (migration, "origin", "drained", &n))
    add_lane (page, bounds, "wait", "drained from it", n, stop, flip);
  if (counted (migration, "origin", "resent", &n))
    add_lane (page, bounds, "wait", "sent after the guest", n, stop, flip);
  if (counted (migration, "origin", "relayed", &n))
    add_lane (page, bounds, "", "relayed", n, flip, bounds[3]);
  if (counted (migration, "target", "queued", &n))
    add_lane (page, bounds, "wait", "queued at the target", n, flip, bounds[2]);
  if (counted (migration, "target", "delivered", &n))
    add_lane (page, bounds, "ok", "got by the guest", n, bounds[2], bounds[4]);
  if (counted (migration, "peer", "answers", &n))
    add_lane (page, bounds, "ok", "answered straight", n, answer != 0 ? answer : bounds[3], bounds[4]);
  if (waiting > 0)
    add_lane (page, bounds, "wait", "not read by it yet", waiting, bounds[2], bounds[4]);
  add_lane (page, bounds, lost > 0 ? "bad" : "ok", "lost", lost, stop, bounds[2]);
  g_string_append (page, "</div>");
}

/* ---- the counts ---- */

static void
add_counts (GString *page, GVariant *migration)
{
  g_autoptr (GVariant) hosts = g_variant_lookup_value (migration, "hosts", G_VARIANT_TYPE ("aa{sv}"));

  g_string_append (page, "<h3>What each host counted</h3><div class=scroll><table><tr><th>host<th>NIC<th>what<th>packets");
  for (gsize i = 0; hosts != NULL && i < g_variant_n_children (hosts); i++)
    {
      g_autoptr (GVariant) host = g_variant_get_child_value (hosts, i);
      g_autoptr (GVariant) nics = g_variant_lookup_value (host, "nics", G_VARIANT_TYPE ("aa{sv}"));
      for (gsize k = 0; nics != NULL && k < g_variant_n_children (nics); k++)
        {
          g_autoptr (GVariant) nic = g_variant_get_child_value (nics, k);
          g_autoptr (GVariant) counts = g_variant_lookup_value (nic, "counts", G_VARIANT_TYPE ("a{st}"));
          for (gsize c = 0; counts != NULL && c < g_variant_n_children (counts); c++)
            {
              const char *name;
              guint64     packets;
              g_variant_get_child (counts, c, "{&st}", &name, &packets);
              g_string_append (page, "<tr><td>");
              add_escaped (page, c == 0 ? vr_item_text (host, "host", "-") : "");
              g_string_append (page, "<td>");
              add_escaped (page, c == 0 ? vr_item_text (nic, "mac", "-") : "");
              g_string_append (page, "<td>");
              add_escaped (page, name);
              g_string_append_printf (page, "<td class=n>%" G_GUINT64_FORMAT "\n", packets);
            }
        }
    }
  g_string_append (page, "</table></div>");
}

/* ---- the page ---- */

static void
add_migration (GString *page, GVariant *migration)
{
  g_autoptr (GVariant) faults = g_variant_lookup_value (migration, "faults", G_VARIANT_TYPE_STRING_ARRAY);
  gboolean bad = vr_item_number (migration, "lost") > 0 || (faults != NULL && g_variant_n_children (faults) > 0);
  gint64   stop = vr_report_phase (migration, "stop"), flip = vr_report_phase (migration, "flip");
  g_autofree char *time = vr_show_time (stop != 0 ? stop : flip);
  char     ms[G_ASCII_DTOSTR_BUF_SIZE];

  g_string_append (page, "<section><h2>");
  add_escaped (page, vr_item_text (migration, "name", "-"));
  g_string_append (page, ": ");
  add_escaped (page, vr_item_text (migration, "origin", "-"));
  g_string_append (page, " &rarr; ");
  add_escaped (page, vr_item_text (migration, "target", "-"));
  g_string_append_printf (page, "</h2><div class=m>%s, epoch %" G_GUINT64_FORMAT, time, vr_item_number (migration, "epoch"));
  if (vr_item_text (migration, "way", NULL) != NULL)
    {
      g_string_append (page, ", switchover by ");
      add_escaped (page, vr_item_text (migration, "way", ""));
    }
  if (stop != 0 && flip != 0)
    g_string_append_printf (page, ", route changed %s ms after QEMU's stop", g_ascii_formatd (ms, sizeof ms, "%.1f", (double) (flip - stop) / 1000));
  g_string_append_printf (page, "</div><div class='v%s'>", !vr_item_flag (migration, "complete") ? " open" : bad ? " bad" : "");
  add_escaped (page, vr_item_text (migration, "verdict", "-"));
  g_string_append (page, "</div>");
  add_paths (page, migration);
  add_timeline (page, migration);
  add_counts (page, migration);
  g_string_append (page, "</section>\n");
}

char *
vr_report_page (GVariant *migrations)
{
  GString *page = g_string_new ("<!DOCTYPE html>\n<html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width,initial-scale=1'>\n"
                                "<title>virt-relay: migrations</title>\n<style>\n");
  g_string_append_printf (page, "%s</style>\n<h1>Migrations</h1>\n", style);
  for (gsize i = g_variant_n_children (migrations); i > 0; i--)
    {
      g_autoptr (GVariant) migration = g_variant_get_child_value (migrations, i - 1);
      add_migration (page, migration);
    }
  if (g_variant_n_children (migrations) == 0)
    g_string_append (page, "<p>None yet.</p>\n");
  g_string_append (page, "</html>\n");
  return g_string_free (page, FALSE);
}
