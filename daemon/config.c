/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * One table says everything about each key: where it stands, where its value goes, who reads the value, its default.
 * Loading is four passes: the file's form (GKeyFile, and keys given twice, of which GKeyFile silently takes the last);
 * every group and key that is there must be in the table; every key of the table is read, from the file or from its
 * default; last come the rules that concern more than one key. The first mistake ends it: there is no configuration
 * that is half right.
 */
#include "daemon/config.h"

#include <string.h>

#include "daemon/config-values.h"
#include "daemon/model/address.h"
#include "daemon/names.h"

G_DEFINE_QUARK (vr-config-error-quark, vr_config_error)

#define EXAMPLE "/usr/share/doc/virt-relay/virt-relay.conf.example"
#define DEFAULT_PROPOSALS "aes256gcm16-prfsha384-ecp384 aes256gcm16-prfsha384-x25519"
#define DEFAULT_ESP_PROPOSALS "aes256gcm16-ecp384 aes256gcm16-x25519"

typedef enum {
  TYPE_TEXT,   /* char * */
  TYPE_LIST,   /* char ** */
  TYPE_NUMBER, /* guint */
  TYPE_FLAG,   /* gboolean */
  TYPE_ENGINE, /* VrEngine */
  TYPE_AUTH,   /* VrAuth */
  TYPE_DIRECT  /* VrDirect */
} Type;

/* For which auth the key is needed, and allowed; for which engine it is allowed. */
typedef enum { ALWAYS, WITH_PSK, WITH_CERTIFICATE, WITH_FILE, WITH_ETCD } When;

typedef struct {
  const char  *group, *name;
  gboolean     of_host; /* the value's place is in VrHost, not in VrConfig */
  gsize        offset;
  Type         type;
  VrConfigRead read;
  const char  *fallback; /* default, as it would stand in the file; NULL: none, or made in fill_in() */
  When         when;
} Key;

#define HOST_KEY(name, field, type, read) { "host", name, TRUE, G_STRUCT_OFFSET (VrHost, field), type, read, NULL, ALWAYS }
#define KEY(group, name, field, type, read, fallback) \
  { group, name, FALSE, G_STRUCT_OFFSET (VrConfig, field), type, read, fallback, ALWAYS }
#define AUTH_KEY(name, field, read, when) \
  { "tunnel", name, FALSE, G_STRUCT_OFFSET (VrConfig, field), TYPE_TEXT, read, NULL, when }

#define LOG_KEY(name, field, type, read, fallback, when) \
  { "log", name, FALSE, G_STRUCT_OFFSET (VrConfig, field), type, read, fallback, when }

static const Key keys[] = {
  HOST_KEY ("name", name, TYPE_TEXT, vr_config_read_host_name),
  HOST_KEY ("underlay", underlay, TYPE_LIST, vr_config_read_addresses),
  HOST_KEY ("networks", networks, TYPE_LIST, vr_config_read_networks),
  KEY ("host", "bridge", bridge, TYPE_TEXT, vr_config_read_interface, NULL),
  HOST_KEY ("reach", reach, TYPE_LIST, vr_config_read_reach),
  HOST_KEY ("identity", identity, TYPE_TEXT, vr_config_read_identity),
  KEY ("libvirt", "uri", libvirt_uri, TYPE_TEXT, vr_config_read_libvirt_uri, "qemu:///system"),
  KEY ("log", "engine", engine, TYPE_ENGINE, vr_config_read_engine, "file"),
  LOG_KEY ("directory", log_directory, TYPE_TEXT, vr_config_read_directory, VR_LOG_DIR, WITH_FILE),
  LOG_KEY ("endpoints", etcd_endpoints, TYPE_LIST, vr_config_read_endpoints, NULL, WITH_ETCD),
  LOG_KEY ("prefix", etcd_prefix, TYPE_TEXT, vr_config_read_prefix, VR_ETCD_PREFIX, WITH_ETCD),
  LOG_KEY ("ca", etcd_ca, TYPE_TEXT, vr_config_read_public_file, NULL, WITH_ETCD),
  LOG_KEY ("certificate", etcd_certificate, TYPE_TEXT, vr_config_read_public_file, NULL, WITH_ETCD),
  LOG_KEY ("key", etcd_key, TYPE_TEXT, vr_config_read_private_file, NULL, WITH_ETCD),
  LOG_KEY ("user", etcd_user, TYPE_TEXT, vr_config_read_user, NULL, WITH_ETCD),
  LOG_KEY ("password-file", etcd_password, TYPE_TEXT, vr_config_read_psk_file, NULL, WITH_ETCD),
  LOG_KEY ("history", etcd_history_s, TYPE_NUMBER, vr_config_read_days, "90d", WITH_ETCD),
  KEY ("trust", "networks", trust.networks, TYPE_LIST, vr_config_read_trusted_networks, NULL),
  KEY ("trust", "start", trust.start_anywhere, TYPE_FLAG, vr_config_read_start, "anywhere"),
  KEY ("trust", "intents", trust.unproven, TYPE_FLAG, vr_config_read_intents, "proven"),
  KEY ("trust", "take-over", trust.take_over, TYPE_LIST, vr_config_read_hosts, NULL),
  KEY ("tunnel", "auth", auth, TYPE_AUTH, vr_config_read_auth, "psk"),
  AUTH_KEY ("psk-file", psk, vr_config_read_psk_file, WITH_PSK),
  AUTH_KEY ("certificate", certificate, vr_config_read_public_file, WITH_CERTIFICATE),
  AUTH_KEY ("key", key, vr_config_read_private_file, WITH_CERTIFICATE),
  AUTH_KEY ("ca", ca, vr_config_read_public_file, WITH_CERTIFICATE),
  KEY ("tunnel", "vici-socket", vici_uri, TYPE_TEXT, vr_config_read_vici_socket, "/run/charon.vici"),
  KEY ("tunnel", "proposals", proposals, TYPE_TEXT, vr_config_read_proposals, DEFAULT_PROPOSALS),
  KEY ("tunnel", "esp-proposals", esp_proposals, TYPE_TEXT, vr_config_read_esp_proposals, DEFAULT_ESP_PROPOSALS),
  KEY ("tunnel", "dpd-delay", dpd_delay_s, TYPE_NUMBER, vr_config_read_seconds, "10"),
  KEY ("tunnel", "takeover-delay", takeover_delay_s, TYPE_NUMBER, vr_config_read_seconds, "3"),
  KEY ("tunnel", "mtu", mtu, TYPE_NUMBER, vr_config_read_mtu, "1400"),
  KEY ("path", "direct", direct, TYPE_DIRECT, vr_config_read_direct, "build"),
  KEY ("path", "threshold", threshold, TYPE_NUMBER, vr_config_read_threshold, "10"),
  KEY ("path", "confirm-after", confirm_after_s, TYPE_NUMBER, vr_config_read_seconds, "5"),
  KEY ("path", "ordered", ordered, TYPE_FLAG, vr_config_read_flag, "yes"),
  KEY ("migration", "lossless", lossless, TYPE_FLAG, vr_config_read_flag, "yes"),
  KEY ("migration", "copies-memory", copies_memory_mib, TYPE_NUMBER, vr_config_read_mebibytes, "8"),
  KEY ("migration", "kept-memory", kept_memory_mib, TYPE_NUMBER, vr_config_read_mebibytes, "16"),
  KEY ("migration", "queue-memory", queue_memory_mib, TYPE_NUMBER, vr_config_read_mebibytes, "64"),
  KEY ("migration", "intent-timeout", intent_timeout_s, TYPE_NUMBER, vr_config_read_seconds, "10"),
  KEY ("migration", "linger", linger_s, TYPE_NUMBER, vr_config_read_seconds, "15"),
  KEY ("metrics", "listen", metrics_listen, TYPE_TEXT, vr_config_read_listen, NULL),
};

static gpointer
key_field (const Key *key, const VrConfig *config)
{
  return key->of_host ? G_STRUCT_MEMBER_P (config->host, key->offset) : G_STRUCT_MEMBER_P (config, key->offset);
}

/* ---- messages ---- */

static gboolean G_GNUC_PRINTF (5, 6)
fail (const char *file, const char *group, const char *key, GError **error, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *message = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, VR_CONFIG_ERROR, VR_CONFIG_ERROR_INVALID, "%s: [%s] %s%s%s", file, group, key != NULL ? key : "",
               key != NULL ? ": " : "", message);
  return FALSE;
}

/* How many letters differ: insertions, removals and replacements that make `b` of `a` (Levenshtein). */
static guint
distance (const char *a, const char *b)
{
  gsize width = strlen (b) + 1;
  g_autofree guint *row = g_new (guint, width);
  for (gsize j = 0; j < width; j++)
    row[j] = (guint) j;
  for (gsize i = 1; a[i - 1] != '\0'; i++)
    {
      guint diagonal = row[0];
      row[0] = (guint) i;
      for (gsize j = 1; j < width; j++)
        {
          guint replaced = diagonal + (a[i - 1] != b[j - 1]);
          diagonal = row[j];
          row[j] = MIN (replaced, MIN (row[j], row[j - 1]) + 1);
        }
    }
  return row[width - 1];
}

/* The key's name, or its group's where `group` is NULL, that is nearest to `name`. Never NULL. */
static const char *
nearest (const char *group, const char *name)
{
  const char *best = NULL;
  guint best_distance = G_MAXUINT;
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    {
      const char *candidate = group != NULL ? keys[i].name : keys[i].group;
      guint d = distance (name, candidate);
      if ((group == NULL || g_str_equal (group, keys[i].group)) && d < best_distance)
        {
          best = candidate;
          best_distance = d;
        }
    }
  return best;
}

/* ---- form: what is there must be known, once ---- */

/* "[group" and "key =" of one line, as GKeyFile reads them; NULL in both for any other line. */
static void
split_line (const char *line, char **group, char **key)
{
  g_autofree char *text = g_strstrip (g_strdup (line));
  const char *equals = strchr (text, '=');
  if (text[0] == '[')
    *group = g_strndup (text + 1, strcspn (text + 1, "]"));
  else if (text[0] != '#' && equals != NULL)
    *key = g_strchomp (g_strndup (text, equals - text));
}

static gboolean
check_nothing_twice (const char *data, const char *file, GError **error)
{
  g_auto (GStrv) lines = g_strsplit (data, "\n", -1);
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autofree char *group = g_strdup ("");
  for (guint i = 0; lines[i] != NULL; i++)
    {
      g_autofree char *new_group = NULL, *key = NULL;
      split_line (lines[i], &new_group, &key);
      if (new_group != NULL)
        {
          g_free (group);
          group = g_steal_pointer (&new_group);
        }
      if (key != NULL && !g_hash_table_add (seen, g_strdup_printf ("%s\n%s", group, key)))
        return fail (file, group, key, error, "given a second time in line %u; a list stands in one line", i + 1);
    }
  return TRUE;
}

static gboolean
check_key_known (const char *group, const char *name, const char *file, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    {
      if (g_str_equal (keys[i].group, group) && g_str_equal (keys[i].name, name))
        return TRUE;
    }
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    {
      if (g_str_equal (keys[i].name, name))
        return fail (file, group, name, error, "this key belongs in [%s]", keys[i].group);
    }
  return fail (file, group, name, error, "unknown key; did you mean %s?", nearest (group, name));
}

static gboolean
check_names_known (GKeyFile *keyfile, const char *file, GError **error)
{
  g_auto (GStrv) groups = g_key_file_get_groups (keyfile, NULL);
  for (guint i = 0; groups[i] != NULL; i++)
    {
      const char *group = nearest (NULL, groups[i]);
      if (!g_str_equal (group, groups[i]))
        return fail (file, groups[i], NULL, error, "unknown group; did you mean [%s]?", group);

      g_auto (GStrv) names = g_key_file_get_keys (keyfile, groups[i], NULL, NULL);
      for (guint j = 0; names != NULL && names[j] != NULL; j++)
        {
          if (!check_key_known (groups[i], names[j], file, error))
            return FALSE;
        }
    }
  return TRUE;
}

/* ---- values ---- */

/* The key's text in the file; *text is NULL if it is not there. */
static gboolean
get_text (const Key *key, GKeyFile *keyfile, const char *file, char **text, GError **error)
{
  if (!g_key_file_has_key (keyfile, key->group, key->name, NULL))
    return TRUE;

  g_autofree char *raw = g_key_file_get_value (keyfile, key->group, key->name, NULL);
  if (raw[0] == '#' || strstr (raw, " #") != NULL || strstr (raw, "\t#") != NULL)
    return fail (file, key->group, key->name, error,
                 "\"#\" does not begin a comment here: put the comment on a line of its own (for a real # write \\s#)");

  g_autoptr (GError) why = NULL;
  g_autofree char *value = g_key_file_get_string (keyfile, key->group, key->name, &why);
  if (why != NULL) /* with a bad escape GKeyFile gives a value all the same */
    return fail (file, key->group, key->name, error, "%s", why->message);
  g_strstrip (value);
  if (strspn (value, " \t,") == strlen (value))
    return fail (file, key->group, key->name, error, "has no value: give it one, or remove the line");
  *text = g_steal_pointer (&value);
  return TRUE;
}

static gboolean
read_key (const Key *key, GKeyFile *keyfile, VrConfig *config, const char *file, GError **error)
{
  g_autofree char *text = NULL;
  if (!get_text (key, keyfile, file, &text, error))
    return FALSE;
  if (text != NULL && key->when == WITH_PSK && config->auth != VR_AUTH_PSK)
    return fail (file, key->group, key->name, error, "goes with auth = psk: remove it, or change auth");
  if (text != NULL && key->when == WITH_CERTIFICATE && config->auth != VR_AUTH_CERTIFICATE)
    return fail (file, key->group, key->name, error, "goes with auth = certificate: remove it, or change auth");
  if (text != NULL && key->when == WITH_FILE && config->engine != VR_ENGINE_FILE)
    return fail (file, key->group, key->name, error, "goes with engine = file: remove it, or change engine");
  if (text != NULL && key->when == WITH_ETCD && config->engine != VR_ENGINE_ETCD)
    return fail (file, key->group, key->name, error, "goes with engine = etcd: remove it, or change engine");
  if (text == NULL && key->fallback == NULL)
    return TRUE;

  g_autoptr (GError) why = NULL;
  if (!key->read (text != NULL ? text : key->fallback, key_field (key, config), &why))
    return fail (file, key->group, key->name, error, "%s", why->message);
  return TRUE;
}

/* The defaults that are made of something. */
static gboolean
fill_in (VrConfig *config, const char *file, GError **error)
{
  VrHost *host = config->host;
  if (host->name == NULL)
    {
      const char *full = g_get_host_name ();
      g_autofree char *name = g_strndup (full, strcspn (full, "."));
      if (!vr_config_read_host_name (name, &host->name, NULL))
        return fail (file, "host", "name", error, "the host name \"%s\" cannot serve as one in the migration log: set this key",
                     full);
    }
  if (host->identity == NULL)
    host->identity = g_strdup_printf ("%s.virt-relay", host->name);
  return TRUE;
}

/* ---- rules for more than one key ---- */

static gboolean
check_host (const VrConfig *config, const char *file, GError **error)
{
  const VrHost *host = config->host;
  gboolean has_networks = host->networks[0] != NULL;
  if (host->underlay[0] == NULL)
    return fail (file, "host", "underlay", error, "is missing: give this host's addresses for IKE and ESP");
  if (has_networks && config->bridge == NULL)
    return fail (file, "host", "bridge", error, "is missing: name the bridge of the networks");
  if (!has_networks && config->bridge != NULL)
    return fail (file, "host", "bridge", error, "goes with networks, which is missing");
  if (g_strv_contains ((const char *const *) host->reach, host->name))
    return fail (file, "host", "reach", error, "\"%s\" is this host itself", host->name);

  for (guint i = 0; host->underlay[i] != NULL; i++)
    for (guint j = 0; host->networks[j] != NULL; j++)
      {
        if (vr_address_is_v6 (host->underlay[i]) == vr_address_is_v6 (host->networks[j])
            && vr_network_contains (host->networks[j], host->underlay[i]))
          return fail (file, "host", "underlay", error,
                       "%s lies in the guest network %s: the tunnels would run through themselves", host->underlay[i],
                       host->networks[j]);
      }
  return TRUE;
}

static gboolean
check_auth (const VrConfig *config, const char *file, GError **error)
{
  When when = config->auth == VR_AUTH_PSK ? WITH_PSK : WITH_CERTIFICATE;
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    {
      const Key *key = &keys[i];
      if (key->when == when && *(char **) key_field (key, config) == NULL)
        return fail (file, key->group, key->name, error, "is missing; auth = %s needs it",
                     when == WITH_PSK ? "psk" : "certificate");
    }
  return TRUE;
}

static gboolean
check_log (const VrConfig *config, const char *file, GError **error)
{
  if (config->engine != VR_ENGINE_ETCD)
    return TRUE;
  if (config->etcd_endpoints == NULL)
    return fail (file, "log", "endpoints", error, "is missing; engine = etcd needs the URLs of the cluster's members");
  if ((config->etcd_certificate == NULL) != (config->etcd_key == NULL))
    return fail (file, "log", config->etcd_key == NULL ? "key" : "certificate", error, "is missing: certificate and key go together");
  if ((config->etcd_user == NULL) != (config->etcd_password == NULL))
    return fail (file, "log", config->etcd_user == NULL ? "user" : "password-file", error, "is missing: user and password-file go together");
  if (g_str_has_prefix (config->etcd_endpoints[0], "http:") && (config->etcd_ca != NULL || config->etcd_certificate != NULL))
    return fail (file, "log", config->etcd_ca != NULL ? "ca" : "certificate", error, "goes with endpoints that are https");
  return TRUE;
}

/* ---- the way in ---- */

static VrConfig *
load_keyfile (GKeyFile *keyfile, const char *file, GError **error)
{
  g_autoptr (VrConfig) config = g_new0 (VrConfig, 1);
  config->host = vr_host_new (NULL);
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++) /* auth stands before the keys that depend on it */
    {
      if (!read_key (&keys[i], keyfile, config, file, error))
        return NULL;
    }
  if (!fill_in (config, file, error) || !check_host (config, file, error) || !check_auth (config, file, error)
      || !check_log (config, file, error))
    return NULL;
  return g_steal_pointer (&config);
}

VrConfig *
vr_config_load_data (const char *data, gsize len, const char *name_for_errors, GError **error)
{
  g_autoptr (GKeyFile) keyfile = g_key_file_new ();
  g_autoptr (GError) why = NULL;
  g_autofree char *text = g_strndup (data, len);
  if (strlen (text) != len)
    {
      g_set_error (error, VR_CONFIG_ERROR, VR_CONFIG_ERROR_INVALID, "%s: holds a NUL byte: not a text file", name_for_errors);
      return NULL;
    }
  /* Translated keys ("name[de]") are unknown keys to us: without the flag GKeyFile would hide them. */
  if (!g_key_file_load_from_data (keyfile, text, len, G_KEY_FILE_KEEP_TRANSLATIONS, &why))
    {
      g_set_error (error, VR_CONFIG_ERROR, VR_CONFIG_ERROR_INVALID, "%s: %s", name_for_errors, why->message);
      return NULL;
    }
  if (!check_names_known (keyfile, name_for_errors, error) || !check_nothing_twice (text, name_for_errors, error))
    return NULL;
  return load_keyfile (keyfile, name_for_errors, error);
}

VrConfig *
vr_config_load (const char *path, GError **error)
{
  g_autofree char *data = NULL;
  g_autoptr (GError) why = NULL;
  gsize len;
  if (g_file_get_contents (path, &data, &len, &why))
    return vr_config_load_data (data, len, path, error);

  if (g_error_matches (why, G_FILE_ERROR, G_FILE_ERROR_NOENT))
    g_set_error (error, VR_CONFIG_ERROR, VR_CONFIG_ERROR_READ,
                 "%s is not there: copy " EXAMPLE " to it, fill in [host] underlay and [tunnel] psk-file, "
                 "check it with virt-relayd --check-config", path);
  else
    g_set_error (error, VR_CONFIG_ERROR, VR_CONFIG_ERROR_READ, "cannot read the configuration: %s", why->message);
  return NULL;
}

void
vr_config_free (VrConfig *config)
{
  if (config == NULL)
    return;
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    {
      if (!keys[i].of_host && keys[i].type == TYPE_TEXT)
        g_free (*(char **) key_field (&keys[i], config));
      else if (!keys[i].of_host && keys[i].type == TYPE_LIST)
        g_strfreev (*(char ***) key_field (&keys[i], config));
    }
  g_clear_pointer (&config->host, vr_host_unref);
  g_free (config);
}

/* ---- comparing two ---- */

static char *
key_text (const Key *key, const VrConfig *config)
{
  gpointer field = key_field (key, config);
  switch (key->type)
    {
    case TYPE_LIST:
      return *(char ***) field != NULL ? g_strjoinv (" ", *(char ***) field) : g_strdup ("");
    case TYPE_NUMBER:
      return g_strdup_printf ("%u", *(guint *) field);
    case TYPE_FLAG:
      return g_strdup (*(gboolean *) field ? "yes" : "no");
    case TYPE_ENGINE:
      return g_strdup (*(VrEngine *) field == VR_ENGINE_ETCD ? "etcd" : "file");
    case TYPE_AUTH:
      return g_strdup (*(VrAuth *) field == VR_AUTH_PSK ? "psk" : "certificate");
    case TYPE_DIRECT:
      return g_strdup (vr_direct_to_string (*(VrDirect *) field));
    case TYPE_TEXT:
    default:
      return g_strdup (*(char **) field);
    }
}

GPtrArray *
vr_config_changes (const VrConfig *before, const VrConfig *after)
{
  GPtrArray *changes = g_ptr_array_new_with_free_func (g_free);
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    {
      g_autofree char *old = key_text (&keys[i], before);
      g_autofree char *new = key_text (&keys[i], after);
      if (g_strcmp0 (old, new) != 0)
        g_ptr_array_add (changes, g_strdup_printf ("[%s] %s", keys[i].group, keys[i].name));
    }
  return changes;
}
