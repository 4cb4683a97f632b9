/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A host that lies about where a guest migrates to, and how the owner knows: h1 owns d, h3 is where it goes, h2 lies. */
#include "world.h"

#include "daemon/model/entry.h"
#include "daemon/model/proof.h"

#define TOKEN "0000000000000000000000000000000000000000000000000000000000000001"
#define OTHER "0000000000000000000000000000000000000000000000000000000000000002"

static void
know (World *world, const char *carried, const char *written, const char *before)
{
  const char *const list[] = { before, NULL };
  g_autoptr (VrTokens) tokens = vr_tokens_new (carried, written, list);

  vr_book_set_tokens (world->book, D, tokens);
}

/* d runs on h1, and its XML carries `token` */
static World *
running (const char *token)
{
  World *world = world_new ();

  world->token = token;
  g_assert_true (world_settle (world, "h1", VR_PRESENCE_RUNNING, FALSE));
  know (world, token, NULL, NULL);
  return world;
}

/* h2 says that d comes to it; its clock is ahead. `token`: what it makes its proof with; `proof`: or that it was given */
static void
lie (World *world, const char *token, const char *proof)
{
  g_autoptr (VrRecord) record = vr_record_derive (vr_book_guest (world->book, D)->custody, VR_STATE_INCOMING, "h2");

  g_free (record->origin);
  record->origin = g_strdup ("h1");
  g_free (record->target);
  record->target = g_strdup ("h2");
  record->proof = proof != NULL ? g_strdup (proof) : vr_proof_make (token, record);
  record->time_us = G_MAXINT32;
  record->seq = ++world->seq;
  vr_book_add_record (world->book, record, NULL);
}

static const VrRecord *
announce (World *world)
{
  g_assert_true (world_settle (world, "h3", VR_PRESENCE_EXPECTED, FALSE));
  return vr_book_intent_of (world->book, D, "h3");
}

static void
assert_leaves_to (World *world, const char *target)
{
  if (target == NULL)
    {
      g_assert_false (world_settle (world, "h1", VR_PRESENCE_LEAVING, FALSE));
      g_assert_false (world_settle (world, "h1", VR_PRESENCE_HANDED_OVER, FALSE));
      return;
    }
  g_assert_true (world_settle (world, "h1", VR_PRESENCE_LEAVING, FALSE));
  g_assert_cmpstr (vr_book_guest (world->book, D)->custody->target, ==, target);
  g_assert_true (world_settle (world, "h1", VR_PRESENCE_HANDED_OVER, FALSE));
  g_assert_cmpstr (vr_book_guest (world->book, D)->custody->owner, ==, target);
}

/* ---- the proof itself ---- */

static void
test_made_of_all_that_it_says (void)
{
  g_autoptr (VrRecord) record = vr_record_new (D, "d"), other = vr_record_new (D, "d");
  g_autofree char *proof = NULL, *same = NULL, *later = NULL, *elsewhere = NULL, *from = NULL, *token = NULL;

  record->writer = g_strdup ("h3");
  record->origin = g_strdup ("h1");
  other->writer = g_strdup ("h3");
  other->origin = g_strdup ("h1");
  proof = vr_proof_make (TOKEN, record);
  same = vr_proof_make (TOKEN, other);
  g_assert_true (vr_token_is_valid (proof));
  g_assert_cmpstr (proof, ==, same);
  token = vr_proof_make (OTHER, other);
  other->epoch++;
  later = vr_proof_make (TOKEN, other);
  other->epoch--;
  other->origin[1] = '2';
  from = vr_proof_make (TOKEN, other);
  other->origin[1] = '1';
  other->writer[1] = '2';
  elsewhere = vr_proof_make (TOKEN, other);
  g_assert_cmpstr (proof, !=, token);
  g_assert_cmpstr (proof, !=, later);
  g_assert_cmpstr (proof, !=, from);
  g_assert_cmpstr (proof, !=, elsewhere);
  g_assert_null (vr_proof_make (NULL, record));
  g_assert_null (strstr (proof, TOKEN));
}

/* By another program: printf 'virt-relay 1 incoming\nUUID\n1\nh1\nh3\n' | openssl dgst -sha256 -hmac TOKEN */
static void
test_as_another_program_makes_it (void)
{
  g_autoptr (VrRecord) record = vr_record_new (D, "d");
  g_autofree char *proof = NULL;

  record->state = VR_STATE_INCOMING;
  record->writer = g_strdup ("h3");
  record->origin = g_strdup ("h1");
  proof = vr_proof_make (TOKEN, record);
  g_assert_cmpstr (proof, ==, "f5b0b973b835b0302cd76c5fc37a67b4fd93b43c56c60de1155fbba139bd3b34");
}

static void
test_tokens (void)
{
  g_assert_true (vr_token_is_valid (TOKEN));
  g_assert_false (vr_token_is_valid (NULL));
  g_assert_false (vr_token_is_valid (""));
  g_assert_false (vr_token_is_valid (TOKEN "0"));
  g_assert_false (vr_token_is_valid ("A000000000000000000000000000000000000000000000000000000000000001"));
}

static void
test_in_a_record (void)
{
  g_autoptr (World) world = running (TOKEN);
  const VrRecord *intent = announce (world);
  g_autofree char *json = vr_record_to_json (intent);
  g_auto (VrEntry) entry = { NULL }, bad = { NULL };
  g_autoptr (GError) error = NULL;
  char *proof;

  g_assert_true (vr_entry_from_json (json, -1, &entry, NULL));
  g_assert_cmpstr (entry.guest->proof, ==, intent->proof);
  g_assert_true (vr_record_equal_content (entry.guest, intent));
  g_assert_null (strstr (json, TOKEN));
  proof = strstr (json, intent->proof);
  *proof = 'x';
  g_assert_false (vr_entry_from_json (json, -1, &bad, &error));
  g_assert_nonnull (strstr (error->message, "\"proof\""));
}

/* ---- which intent stands ---- */

static void
test_true_one (void)
{
  g_autoptr (World) world = running (TOKEN);

  g_assert_cmpint (vr_book_judge (world->book, announce (world)), ==, VR_PROOF_GOOD);
  assert_leaves_to (world, "h3");
}

static void
test_later_lie (void)
{
  g_autoptr (World) world = running (TOKEN);

  announce (world);
  lie (world, NULL, NULL);
  assert_leaves_to (world, "h3");
}

static void
test_lie_alone (void)
{
  g_autoptr (World) world = running (TOKEN);

  lie (world, NULL, NULL);
  g_assert_null (vr_book_guest (world->book, D)->intent);
  g_assert_null (vr_book_intent_of (world->book, D, "h2"));
  assert_leaves_to (world, NULL);
}

static void
test_lie_first (void)
{
  g_autoptr (World) world = running (TOKEN);

  lie (world, OTHER, NULL);
  announce (world);
  assert_leaves_to (world, "h3");
}

static void
test_another_hosts_proof (void)
{
  g_autoptr (World) world = running (TOKEN);
  g_autofree char *proof = g_strdup (announce (world)->proof);
  g_autoptr (GPtrArray) refused = NULL;

  lie (world, NULL, proof);
  refused = vr_book_unproven (world->book, D);
  g_assert_cmpuint (refused->len, ==, 1);
  assert_leaves_to (world, "h3");
}

static void
test_no_token_yet (void)
{
  g_autoptr (World) world = running (NULL);

  g_assert_cmpint (vr_book_judge (world->book, announce (world)), ==, VR_PROOF_UNASKED);
  assert_leaves_to (world, "h3");
}

/* Being written: the target was given the XML with it, or without */
static void
test_token_under_way (void)
{
  g_autoptr (World) with = running (TOKEN), without = running (NULL);

  know (with, NULL, TOKEN, NULL);
  announce (with);
  assert_leaves_to (with, "h3");
  know (without, NULL, TOKEN, NULL);
  announce (without);
  assert_leaves_to (without, "h3");
}

static void
test_proven_before_unasked (void)
{
  g_autoptr (World) world = running (TOKEN);

  know (world, NULL, TOKEN, NULL);
  announce (world);
  lie (world, NULL, NULL);
  assert_leaves_to (world, "h3");
}

static void
test_nothing_to_judge_by (void)
{
  g_autoptr (World) world = running (TOKEN);

  vr_book_set_tokens (world->book, D, NULL);
  lie (world, NULL, NULL);
  g_assert_cmpstr (vr_book_guest (world->book, D)->intent->target, ==, "h2");
  know (world, TOKEN, NULL, NULL);
  g_assert_null (vr_book_guest (world->book, D)->intent);
}

/* A migration to h3 failed, and h3 does not withdraw: when d goes to h2 its old proof is worth nothing */
static void
test_spent (void)
{
  g_autoptr (World) world = running (TOKEN);

  announce (world);
  know (world, OTHER, NULL, TOKEN);
  g_assert_null (vr_book_guest (world->book, D)->intent);
  assert_leaves_to (world, NULL);
}

/* … but h3 announces it anew when it comes again, with the proof of the new token */
static void
test_again_after_spent (void)
{
  g_autoptr (World) world = running (TOKEN);

  announce (world);
  g_assert_false (world_settle (world, "h3", VR_PRESENCE_EXPECTED, FALSE));
  know (world, OTHER, NULL, TOKEN);
  world->token = OTHER;
  vr_book_set_tokens (world->book, D, NULL); /* as h3 knows it */
  g_assert_true (world_settle (world, "h3", VR_PRESENCE_EXPECTED, FALSE));
  know (world, OTHER, NULL, TOKEN);
  assert_leaves_to (world, "h3");
}

/* The owner's word stands, whoever announces the guest after that: for those, too, who cannot judge */
static void
test_named_by_its_owner (void)
{
  g_autoptr (World) world = running (TOKEN);

  announce (world);
  g_assert_true (world_settle (world, "h1", VR_PRESENCE_LEAVING, FALSE));
  vr_book_set_tokens (world->book, D, NULL);
  lie (world, NULL, NULL);
  g_assert_cmpstr (vr_book_guest (world->book, D)->intent->target, ==, "h3");
}

static void
test_copied (void)
{
  g_autoptr (World) world = running (TOKEN);
  g_autoptr (VrBook) copy = NULL;

  lie (world, NULL, NULL);
  copy = vr_book_copy (world->book);
  g_assert_null (vr_book_intent_of (copy, D, "h2"));
}

/* ---- what is refused, and why ---- */

static void
assert_refused (World *world, const char *why)
{
  g_autoptr (GPtrArray) refused = vr_book_unproven (world->book, D);
  g_autofree char *text = NULL;

  g_assert_cmpuint (refused->len, ==, 1);
  text = vr_book_why (world->book, refused->pdata[0]);
  g_assert_nonnull (strstr (text, "written by h2"));
  g_assert_nonnull (strstr (text, why));
  g_assert_null (strstr (text, TOKEN));
}

static void
test_refused_without_proof (void)
{
  g_autoptr (World) world = running (TOKEN);

  announce (world);
  lie (world, NULL, NULL);
  assert_refused (world, "[trust] intents");
}

static void
test_refused_with_a_wrong_one (void)
{
  g_autoptr (World) world = running (TOKEN);

  announce (world);
  lie (world, OTHER, NULL);
  assert_refused (world, "not made with what is in the guest's XML");
}

static void
test_trusted_without_proof (void)
{
  static const VrTrust trust = { .start_anywhere = TRUE, .unproven = TRUE };
  g_autoptr (World) world = running (TOKEN);
  g_autoptr (GPtrArray) refused = NULL;

  vr_book_set_trust (world->book, &trust);
  lie (world, NULL, NULL);
  refused = vr_book_unproven (world->book, D);
  g_assert_cmpuint (refused->len, ==, 0);
  g_assert_cmpstr (vr_book_guest (world->book, D)->intent->target, ==, "h2");
  announce (world); /* a proven one is better */
  assert_leaves_to (world, "h3");
}

static void
test_wrong_one_is_never_trusted (void)
{
  static const VrTrust trust = { .start_anywhere = TRUE, .unproven = TRUE };
  g_autoptr (World) world = running (TOKEN);

  vr_book_set_trust (world->book, &trust);
  lie (world, OTHER, NULL);
  assert_leaves_to (world, NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/proof/made-of-all-that-it-says", test_made_of_all_that_it_says);
  g_test_add_func ("/proof/as-another-program-makes-it", test_as_another_program_makes_it);
  g_test_add_func ("/proof/tokens", test_tokens);
  g_test_add_func ("/proof/in-a-record", test_in_a_record);
  g_test_add_func ("/proof/true-one", test_true_one);
  g_test_add_func ("/proof/later-lie", test_later_lie);
  g_test_add_func ("/proof/lie-alone", test_lie_alone);
  g_test_add_func ("/proof/lie-first", test_lie_first);
  g_test_add_func ("/proof/another-hosts-proof", test_another_hosts_proof);
  g_test_add_func ("/proof/no-token-yet", test_no_token_yet);
  g_test_add_func ("/proof/token-under-way", test_token_under_way);
  g_test_add_func ("/proof/proven-before-unasked", test_proven_before_unasked);
  g_test_add_func ("/proof/nothing-to-judge-by", test_nothing_to_judge_by);
  g_test_add_func ("/proof/spent", test_spent);
  g_test_add_func ("/proof/again-after-spent", test_again_after_spent);
  g_test_add_func ("/proof/named-by-its-owner", test_named_by_its_owner);
  g_test_add_func ("/proof/copied", test_copied);
  g_test_add_func ("/proof/refused/without-proof", test_refused_without_proof);
  g_test_add_func ("/proof/refused/with-a-wrong-one", test_refused_with_a_wrong_one);
  g_test_add_func ("/proof/refused/trusted-without-proof", test_trusted_without_proof);
  g_test_add_func ("/proof/refused/wrong-one-is-never-trusted", test_wrong_one_is_never_trusted);
  return g_test_run ();
}
