/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation.
 *
 * A table is right if it was made from the present text and looks as it did when it was made. The mark that says so, a
 * hash of the text and one of the listing without what the sets hold, stands in the state file. A table that is not right
 * is replaced, together with all its elements, in one transaction: at no moment is there none. After that only elements
 * change.
 *
 * What the sets hold is remembered between applies as long as nobody else touches the tables, so an apply that changes
 * nothing asks the kernel nothing.
 *
 * All changes of one step are one transaction. If it fails, each command is tried by itself: what can be done is done,
 * the rest is named. A kernel that cannot do a part of the ruleset gets the other parts.
 *
 * Additions come first, removals last. But a key of a map that gets other data, and a network in whose place comes a
 * wider or narrower one, must make room: in maps and sets of networks to which something is added, removals come with the
 * additions.
 */
#include "filter.h"

#include "daemon/names.h"
#include "element.h"

#include <string.h>

#define N_FAMILIES 2

struct _VrFilter {
  VrNft         *nft;                 /* borrowed, as is the state */
  VrKernelState *state;
  GPtrArray     *parts;               /* of VrPart */
  GHashTable    *there;               /* line -> VrElement: what the sets hold; NULL: not known */
  gboolean       usable[N_FAMILIES];  /* the table is there and right */
  char          *marks[N_FAMILIES];   /* of the tables that this process made, whole or not; or NULL */
  char          *lacking[N_FAMILIES]; /* what this kernel cannot do, or NULL */
};

VrFilter *
vr_filter_new (VrNft *nft, VrKernelState *state)
{
  VrFilter *filter = g_new0 (VrFilter, 1);

  filter->nft = nft;
  filter->state = state;
  filter->parts = vr_ruleset_parts ();
  return filter;
}

void
vr_filter_free (VrFilter *filter)
{
  if (filter == NULL)
    return;
  g_clear_pointer (&filter->parts, g_ptr_array_unref);
  g_clear_pointer (&filter->there, g_hash_table_unref);
  for (guint i = 0; i < N_FAMILIES; i++)
    {
      g_free (filter->marks[i]);
      g_free (filter->lacking[i]);
    }
  g_free (filter);
}

/* ---- the tables ---- */

/* The mark of the table as it is now; NULL: it cannot be listed. */
static char *
make_mark (VrFilter *filter, VrNftFamily family, GError **error)
{
  g_autoptr (GChecksum) text = g_checksum_new (G_CHECKSUM_SHA256);
  g_autofree char      *command = g_strdup_printf ("list table %s %s", vr_nft_family_name (family), VR_NFT_TABLE);
  g_autofree char      *listing = vr_nft_list_text (filter->nft, command, error);
  g_autofree char      *hash = NULL;

  if (listing == NULL)
    return NULL;
  for (guint i = 0; i < filter->parts->len; i++)
    {
      const VrPart *part = filter->parts->pdata[i];

      if (part->family == family)
        g_checksum_update (text, (const guchar *) part->text, -1);
    }
  hash = g_compute_checksum_for_string (G_CHECKSUM_SHA256, listing, -1);
  return g_strdup_printf ("%s %s", g_checksum_get_string (text), hash);
}

/* Reads one table. usable: it is there and right, and its elements are in `there`. */
static gboolean
observe_table (VrFilter *filter, VrNftFamily family, GError **error)
{
  const char          *name = vr_nft_family_name (family);
  g_autofree char     *mark = NULL, *command = g_strdup_printf ("list table %s %s", name, VR_NFT_TABLE);
  g_autoptr (JsonNode) listing = NULL;
  gboolean             has;

  filter->usable[family] = FALSE;
  if (!vr_nft_has_table (filter->nft, name, &has, error))
    return FALSE;
  if (!has)
    return TRUE;
  mark = make_mark (filter, family, error);
  if (mark == NULL)
    return FALSE;
  if (g_strcmp0 (mark, filter->marks[family]) != 0 && g_strcmp0 (mark, vr_kernel_state_table (filter->state, name)) != 0)
    return TRUE;
  listing = vr_nft_list_json (filter->nft, command, error);
  if (listing == NULL)
    return FALSE;
  vr_elements_read (listing, family, filter->there);
  filter->usable[family] = TRUE;
  return TRUE;
}

static gboolean
observe (VrFilter *filter, GError **error)
{
  /* Asked before looking: what is touched after that is seen next time. */
  gboolean touched = vr_nft_was_touched (filter->nft);

  if (filter->there != NULL && !touched)
    return TRUE;
  g_clear_pointer (&filter->there, g_hash_table_unref);
  filter->there = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) vr_element_free);
  if (observe_table (filter, VR_NFT_INET, error) && observe_table (filter, VR_NFT_BRIDGE, error))
    return TRUE;
  g_clear_pointer (&filter->there, g_hash_table_unref);
  return FALSE;
}

/* ---- commands ---- */

/* Elements of one set in one command. */
static void
append_commands (GString *text, const char *verb, GPtrArray *elements)
{
  for (guint i = 0; i < elements->len; i++)
    {
      const VrElement *element = elements->pdata[i], *before = i > 0 ? elements->pdata[i - 1] : NULL;
      g_autofree char *index = g_str_equal (verb, "delete") ? vr_element_index (element) : g_strdup (element->key);

      if (before != NULL && before->family == element->family && g_str_equal (before->set, element->set))
        g_string_append_printf (text, ", %s", index);
      else
        g_string_append_printf (text, "%s%s element %s %s %s { %s", before != NULL ? " }\n" : "", verb,
                                vr_nft_family_name (element->family), VR_NFT_TABLE,
                                vr_set_by_plan (element->family, element->set)->name, index);
    }
  if (elements->len > 0)
    g_string_append (text, " }\n");
}

static int
compare_elements (gconstpointer a, gconstpointer b)
{
  const VrElement *x = *(const VrElement *const *) a, *y = *(const VrElement *const *) b;
  int sets = x->family != y->family ? (int) x->family - (int) y->family : strcmp (x->set, y->set);

  return sets != 0 ? sets : strcmp (x->key, y->key);
}

/* One step: elements to remove, elements to add, in this order. All are borrowed. */
typedef struct {
  GPtrArray *removes, *adds;
} Step;

/* An element was added or removed: remembers and reports that. */
static void
note (VrFilter *filter, const VrElement *element, gboolean added, GPtrArray *changes)
{
  g_autofree char *line = vr_element_to_string (element);

  if (changes != NULL)
    g_ptr_array_add (changes, g_strdup_printf ("%c %s", added ? '+' : '-', line));
  if (added)
    {
      VrElement *copy = g_new0 (VrElement, 1);

      copy->family = element->family;
      copy->set = g_strdup (element->set);
      copy->key = g_strdup (element->key);
      g_hash_table_replace (filter->there, g_steal_pointer (&line), copy);
    }
  else
    g_hash_table_remove (filter->there, line);
}

static void
note_all (VrFilter *filter, const Step *step, GPtrArray *changes)
{
  for (guint i = 0; i < step->removes->len; i++)
    note (filter, step->removes->pdata[i], FALSE, changes);
  for (guint i = 0; i < step->adds->len; i++)
    note (filter, step->adds->pdata[i], TRUE, changes);
}

static void
run_single (VrFilter *filter, VrElement *element, gboolean add, GPtrArray *changes, VrTrouble *trouble)
{
  g_autoptr (GPtrArray) one = g_ptr_array_new ();
  g_autoptr (GString) text = g_string_new (NULL);
  g_autofree char *line = vr_element_to_string (element);
  GError *error = NULL;

  g_ptr_array_add (one, element);
  append_commands (text, add ? "add" : "delete", one);
  if (vr_nft_run (filter->nft, text->str, &error))
    {
      note (filter, element, add, changes);
      return;
    }
  g_prefix_error (&error, "cannot %s %s: ", add ? "add" : "remove", line);
  vr_trouble_take (trouble, error);
}

/* After a failed transaction: each by itself. What the sets then hold is asked again next time. */
static void
run_singly (VrFilter *filter, const Step *step, GPtrArray *changes, VrTrouble *trouble)
{
  for (guint i = 0; i < step->removes->len; i++)
    run_single (filter, step->removes->pdata[i], FALSE, changes, trouble);
  for (guint i = 0; i < step->adds->len; i++)
    run_single (filter, step->adds->pdata[i], TRUE, changes, trouble);
  g_clear_pointer (&filter->there, g_hash_table_unref);
}

/* ---- making the tables ---- */

static void
append_new_table (VrFilter *filter, GString *text, VrNftFamily family)
{
  const char *name = vr_nft_family_name (family);

  /* The table may or may not be there: with "add" before it "delete" never fails. */
  g_string_append_printf (text, "add table %s %s\ndelete table %s %s\n", name, VR_NFT_TABLE, name, VR_NFT_TABLE);
  for (guint i = 0; i < filter->parts->len; i++)
    {
      const VrPart *part = filter->parts->pdata[i];

      if (part->family == family)
        g_string_append (text, part->text);
    }
}

/* Part by part; what cannot be done is remembered as lacking. FALSE: the first part, which the others need, cannot. */
static gboolean
make_table_in_parts (VrFilter *filter, VrNftFamily family)
{
  const char *name = vr_nft_family_name (family);
  g_autofree char *fresh
      = g_strdup_printf ("add table %s %s\ndelete table %s %s\n", name, VR_NFT_TABLE, name, VR_NFT_TABLE);
  g_autoptr (GString) lacking = g_string_new (NULL);
  gboolean first = TRUE;

  for (guint i = 0; i < filter->parts->len; i++)
    {
      const VrPart      *part = filter->parts->pdata[i];
      g_autofree char   *text = g_strconcat (first ? fresh : "", part->text, NULL);
      g_autoptr (GError) error = NULL;

      if (part->family != family)
        continue;
      if (!vr_nft_run (filter->nft, text, &error))
        g_string_append_printf (lacking,
                                "%sfilter, part \"%s\": %s, so %s; check the kernel's nf_tables and nft_* modules",
                                lacking->len > 0 ? "; " : "", part->name, error->message, part->purpose);
      if (first && error != NULL)
        break;
      first = FALSE;
    }
  g_free (filter->lacking[family]);
  filter->lacking[family] = lacking->len > 0 ? g_strdup (lacking->str) : NULL;
  return !first;
}

/* A table was made: it is right, and its mark is remembered if it is whole. */
static void
table_made (VrFilter *filter, VrNftFamily family, GPtrArray *changes, VrTrouble *trouble)
{
  const char      *name = vr_nft_family_name (family);
  GError          *error = NULL;
  g_autofree char *mark = make_mark (filter, family, &error);

  filter->usable[family] = TRUE;
  if (changes != NULL)
    g_ptr_array_add (changes, g_strdup_printf ("+ table %s %s", name, VR_NFT_TABLE));
  if (mark == NULL)
    vr_trouble_take (trouble, error);
  vr_kernel_state_set_table (filter->state, name, filter->lacking[family] == NULL ? mark : NULL);
  g_free (filter->marks[family]);
  filter->marks[family] = g_steal_pointer (&mark);
}

/* ---- the two steps ---- */

/* Is `key` of `lines` something that this step must make room for? */
static gboolean
must_make_room (const VrElement *gone, GPtrArray *adds)
{
  const VrSet *set = vr_set_by_plan (gone->family, gone->set);

  if (!set->map && !set->interval)
    return FALSE;
  for (guint i = 0; i < adds->len; i++)
    {
      const VrElement *element = adds->pdata[i];

      if (element->family == gone->family && g_str_equal (element->set, gone->set))
        return TRUE;
    }
  return FALSE;
}

/* What is wanted and not there. Elements of tables that cannot be, and of sets that do not exist, are left out. */
static GPtrArray *
missing_elements (VrFilter *filter, GHashTable *wanted, VrTrouble *trouble)
{
  GPtrArray     *missing = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer       line, element;

  g_hash_table_iter_init (&iter, wanted);
  while (g_hash_table_iter_next (&iter, &line, &element))
    {
      const VrElement *e = element;

      if (g_hash_table_contains (filter->there, line))
        continue;
      if (vr_set_by_plan (e->family, e->set) != NULL)
        g_ptr_array_add (missing, element);
      else
        vr_trouble_take (trouble, g_error_new (VR_KERNEL_ERROR, VR_KERNEL_ERROR_NFTABLES,
                                               "malformed item: %s: there is no such set", (char *) line));
    }
  g_ptr_array_sort (missing, compare_elements);
  return missing;
}

/* What is there, not wanted, and must go in the step that adds `adds`; adds NULL: all. */
static GPtrArray *
surplus_elements (VrFilter *filter, GHashTable *wanted, GPtrArray *adds)
{
  GPtrArray     *surplus = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer       line, element;

  g_hash_table_iter_init (&iter, filter->there);
  while (g_hash_table_iter_next (&iter, &line, &element))
    if (!g_hash_table_contains (wanted, line) && (adds == NULL || must_make_room (element, adds)))
      g_ptr_array_add (surplus, element);
  g_ptr_array_sort (surplus, compare_elements);
  return surplus;
}

/* Leaves out the elements of tables that could not be made. */
static void
drop_unusable (VrFilter *filter, GPtrArray *elements)
{
  for (guint i = elements->len; i > 0; i--)
    {
      VrNftFamily family = ((VrElement *) elements->pdata[i - 1])->family;

      if (!filter->usable[family])
        g_ptr_array_remove_index (elements, i - 1);
    }
}

/* The transaction failed: tables part by part, then elements one by one. */
static void
add_singly (VrFilter *filter, const gboolean *make, const Step *step, GPtrArray *changes, VrTrouble *trouble)
{
  for (VrNftFamily family = 0; family < N_FAMILIES; family++)
    if (make[family] && make_table_in_parts (filter, family))
      table_made (filter, family, changes, trouble);
  drop_unusable (filter, step->adds);
  run_singly (filter, step, changes, trouble);
}

void
vr_filter_add (VrFilter *filter, GPtrArray *wanted, GPtrArray *changes, VrTrouble *trouble)
{
  g_autoptr (GHashTable) lines = vr_elements_fit (wanted);
  g_autoptr (GPtrArray) adds = NULL, removes = NULL;
  g_autoptr (GString) text = g_string_new (NULL);
  gboolean make[N_FAMILIES];
  GError  *error = NULL;
  Step     step;

  if (!observe (filter, &error))
    {
      vr_trouble_take (trouble, error);
      return;
    }
  for (VrNftFamily family = 0; family < N_FAMILIES; family++)
    {
      make[family] = !filter->usable[family];
      if (!make[family])
        continue;
      append_new_table (filter, text, family);
      g_clear_pointer (&filter->lacking[family], g_free);
    }
  step.adds = adds = missing_elements (filter, lines, trouble);
  step.removes = removes = surplus_elements (filter, lines, adds);
  append_commands (text, "delete", removes);
  append_commands (text, "add", adds);
  if (text->len == 0)
    return;
  if (!vr_nft_run (filter->nft, text->str, &error))
    {
      g_debug ("one by one, because: %s", error->message);
      g_clear_error (&error);
      add_singly (filter, make, &step, changes, trouble);
      return;
    }
  for (VrNftFamily family = 0; family < N_FAMILIES; family++)
    if (make[family])
      table_made (filter, family, changes, trouble);
  note_all (filter, &step, changes);
}

void
vr_filter_remove (VrFilter *filter, GPtrArray *wanted, GPtrArray *changes, VrTrouble *trouble)
{
  g_autoptr (GHashTable) lines = vr_elements_fit (wanted);
  g_autoptr (GPtrArray) adds = g_ptr_array_new (), removes = NULL;
  g_autoptr (GString) text = g_string_new (NULL);
  Step step;

  for (VrNftFamily family = 0; family < N_FAMILIES; family++)
    if (filter->lacking[family] != NULL)
      vr_trouble_take (trouble, g_error_new_literal (VR_KERNEL_ERROR, VR_KERNEL_ERROR_NFTABLES, filter->lacking[family]));
  if (!observe (filter, NULL))
    return; /* the first step failed likewise, and said so */
  step.adds = adds;
  step.removes = removes = surplus_elements (filter, lines, NULL);
  if (removes->len == 0)
    return;
  append_commands (text, "delete", removes);
  if (vr_nft_run (filter->nft, text->str, NULL))
    note_all (filter, &step, changes);
  else
    run_singly (filter, &step, changes, trouble);
}

/* ---- all away ---- */

void
vr_filter_flush (VrFilter *filter, VrTrouble *trouble)
{
  for (VrNftFamily family = 0; family < N_FAMILIES; family++)
    {
      const char      *name = vr_nft_family_name (family);
      g_autofree char *command = g_strdup_printf ("delete table %s %s", name, VR_NFT_TABLE);
      gboolean         has = FALSE;
      GError          *error = NULL;

      if (!vr_nft_has_table (filter->nft, name, &has, &error) || (has && !vr_nft_run (filter->nft, command, &error)))
        vr_trouble_take (trouble, error);
      g_clear_pointer (&filter->lacking[family], g_free);
      g_clear_pointer (&filter->marks[family], g_free);
      filter->usable[family] = FALSE;
    }
  g_clear_pointer (&filter->there, g_hash_table_unref);
}
