/* SPDX-License-Identifier: GPL-2.0-or-later */
/* XFRM interfaces, where the kernel has them; where it has not, that is what the error says. */
#include "netns.h"

#include <string.h>

static gboolean
lacking (void)
{
  g_autofree char *out = sh_out ("ip link add probe type xfrm if_id 1 2>&1 && ip link del probe || echo lacking");

  if (strstr (out, "lacking") == NULL)
    return FALSE;
  g_test_skip ("this kernel has no XFRM interfaces");
  return TRUE;
}

static void
ensure (VrKernel *kernel, const char *name, guint32 if_id, const char *alias)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (vr_kernel_ensure_xfrm (kernel, name, if_id, alias, &error));
  g_assert_no_error (error);
}

static char *
index_of (const char *name)
{
  return sh_out ("ip -o link show %s | cut -d: -f1", name);
}

static void
test_make (void)
{
  g_autoptr (VrKernel) kernel = new_kernel ();
  g_autofree char *line = NULL, *addresses = NULL;
  Changed changed;

  if (lacking ())
    return;
  settle ();
  watch_changed (kernel, &changed);
  ensure (kernel, "vr-h3", 0x76123456, "h3.example.net");
  line = sh_out ("ip -d link show vr-h3");
  g_assert_nonnull (strstr (line, "xfrm if_id 0x76123456"));
  g_assert_nonnull (strstr (line, "alias h3.example.net"));
  g_assert_nonnull (strstr (line, "UP"));
  addresses = sh_out ("ip -o addr show vr-h3");
  g_assert_cmpstr (addresses, ==, "");
  expect_changed (&changed); /* there are routes to be put on it */
}

static void
test_keep (void)
{
  g_autoptr (VrKernel) kernel = new_kernel (), next = NULL;
  g_autofree char *before = NULL, *after = NULL, *line = NULL;

  if (lacking ())
    return;
  ensure (kernel, "vr-h3", 0x76123456, "h3");
  before = index_of ("vr-h3");
  ensure (kernel, "vr-h3", 0x76123456, "h3");
  sh ("ip link set vr-h3 down alias nonsense");
  next = new_kernel ();
  ensure (next, "vr-h3", 0x76123456, "h3");
  after = index_of ("vr-h3");
  g_assert_cmpstr (after, ==, before);
  line = sh_out ("ip link show vr-h3");
  g_assert_nonnull (strstr (line, "alias h3\n"));
  g_assert_nonnull (strstr (line, "UP"));
}

static void
test_other_id (void)
{
  g_autoptr (VrKernel) kernel = new_kernel ();
  g_autofree char *line = NULL;

  if (lacking ())
    return;
  sh ("ip link add vr-h3 type xfrm if_id 5");
  settle ();
  ensure (kernel, "vr-h3", 0x76123456, "h3");
  line = sh_out ("ip -d link show vr-h3");
  g_assert_nonnull (strstr (line, "if_id 0x76123456"));
}

static void
test_id_taken (void)
{
  g_autoptr (VrKernel) kernel = new_kernel ();
  g_autoptr (GError) error = NULL;

  if (lacking ())
    return;
  sh ("ip link add mine type xfrm if_id 0x76123456");
  g_assert_false (vr_kernel_ensure_xfrm (kernel, "vr-h3", 0x76123456, "h3", &error));
  g_assert_nonnull (strstr (error->message, "another interface has the if_id 0x76123456 of vr-h3"));
}

/* Routes, sysctls and the filter work on it, and a flush takes it away. */
static void
test_plan (void)
{
  g_autoptr (VrKernel) kernel = new_kernel ();
  g_autoptr (GError) error = NULL;
  g_autofree char *before = dump_all (), *changes = NULL, *again = NULL, *after = NULL;
  static const char plan[] = "element inet peer-net4 { \"vr-h3\" . 10.9.3.0/24 }\n"
                             "route 10.9.1.100/32 dev vr-h3 table 30321 metric 10\n"
                             "route fd00:9:1::100/128 dev vr-h3 table 30321 metric 10\n"
                             "sysctl net/ipv4/conf/vr-h3/rp_filter = 2\n";

  if (lacking ())
    return;
  ensure (kernel, "vr-h3", 0x76123456, "h3");
  changes = apply (kernel, plan);
  g_assert_nonnull (strstr (changes, "+ route fd00:9:1::100/128 dev vr-h3 table 30321 metric 10"));
  g_assert_nonnull (strstr (changes, "+ sysctl net/ipv4/conf/vr-h3/rp_filter = 2"));
  again = apply (kernel, plan);
  g_assert_cmpstr (again, ==, "");
  g_assert_true (vr_kernel_flush (kernel, &error));
  after = dump_all ();
  assert_same (after, before);
}

static void
test_lacking (void)
{
  g_autoptr (VrKernel) kernel = new_kernel ();
  g_autoptr (GError) error = NULL;
  g_autofree char *out = sh_out ("ip link add probe type xfrm if_id 1 2>&1 && echo there || true");

  if (strstr (out, "there") != NULL)
    {
      g_test_skip ("this kernel has XFRM interfaces");
      return;
    }
  g_assert_false (vr_kernel_ensure_xfrm (kernel, "vr-h3", 0x76123456, "h3", &error));
  g_assert_nonnull (strstr (error->message, "this kernel has no XFRM interfaces"));
}

static void
test_name (void)
{
  g_autoptr (VrKernel) kernel = new_kernel ();
  g_autoptr (GError) error = NULL;

  g_assert_false (vr_kernel_ensure_xfrm (kernel, "eth0", 0x76123456, "h3", &error));
  g_assert_error (error, VR_KERNEL_ERROR, VR_KERNEL_ERROR_LINK);
}

int
main (int argc, char **argv)
{
  netns_init (&argc, &argv);
  netns_add ("/kernel/xfrm/make", test_make);
  netns_add ("/kernel/xfrm/keep", test_keep);
  netns_add ("/kernel/xfrm/other-id", test_other_id);
  netns_add ("/kernel/xfrm/id-taken", test_id_taken);
  netns_add ("/kernel/xfrm/plan", test_plan);
  netns_add ("/kernel/xfrm/lacking", test_lacking);
  netns_add ("/kernel/xfrm/name", test_name);
  return g_test_run ();
}
