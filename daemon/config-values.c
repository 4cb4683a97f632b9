/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/config-values.h"

#include <net/if.h>
#include <string.h>

#include "daemon/config-store.h"
#include "daemon/model/address.h"
#include "daemon/names.h"

#define MAX_IDENTITY 255

/* ---- [host] ---- */

static gboolean
is_host_name (const char *text)
{
  gsize len = strlen (text);
  return len >= 1 && len <= 63
         && strspn (text, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "._-") == len;
}

gboolean
vr_config_read_host_name (const char *text, gpointer field, GError **error)
{
  if (!is_host_name (text))
    return vr_config_invalid (error, "\"%s\" is not a host's name: 1 to 63 letters, digits, dots, dashes and underscores", text);
  return vr_config_store_text (field, g_strdup (text));
}

gboolean
vr_config_read_addresses (const char *text, gpointer field, GError **error)
{
  g_autoptr (GPtrArray) words = vr_config_split_list (text);
  g_autoptr (GPtrArray) addresses = g_ptr_array_new_with_free_func (g_free);
  for (guint i = 0; i < words->len; i++)
    {
      g_autoptr (GError) why = NULL;
      char *address = vr_address_canonical (g_ptr_array_index (words, i), &why);
      if (address == NULL)
        return vr_config_invalid (error, "%s", why->message);
      if (!vr_config_add_once (addresses, address, error))
        return FALSE;
    }
  return vr_config_store_list (field, addresses);
}

/* One of them holds the other's gateway: a packet could go either way. */
static gboolean
overlaps (GPtrArray *networks, const char *network, GError **error)
{
  for (guint i = 0; i < networks->len; i++)
    {
      const char *other = g_ptr_array_index (networks, i);
      g_autofree char *gateway = g_strndup (network, strcspn (network, "/"));
      g_autofree char *other_gateway = g_strndup (other, strcspn (other, "/"));
      if (vr_address_is_v6 (gateway) == vr_address_is_v6 (other_gateway)
          && (vr_network_contains (other, gateway) || vr_network_contains (network, other_gateway)))
        return !vr_config_invalid (error, "%s and %s overlap", other, network);
    }
  return FALSE;
}

gboolean
vr_config_read_networks (const char *text, gpointer field, GError **error)
{
  g_autoptr (GPtrArray) words = vr_config_split_list (text);
  g_autoptr (GPtrArray) networks = g_ptr_array_new_with_free_func (g_free);
  for (guint i = 0; i < words->len; i++)
    {
      const char *word = g_ptr_array_index (words, i);
      g_autofree char *gateway = NULL;
      g_autoptr (GError) why = NULL;
      if (!vr_network_parse (word, &gateway, NULL, &why))
        return vr_config_invalid (error, "%s", why->message);

      guint prefix = (guint) g_ascii_strtoull (strchr (word, '/') + 1, NULL, 10);
      g_autofree char *network = g_strdup_printf ("%s/%u", gateway, prefix);
      if (overlaps (networks, network, error))
        return FALSE;
      g_ptr_array_add (networks, g_steal_pointer (&network));
    }
  return vr_config_store_list (field, networks);
}

static gboolean
read_host_names (const char *text, gboolean all /* "*" may stand for all of them */, gpointer field, GError **error)
{
  g_autoptr (GPtrArray) words = vr_config_split_list (text);
  g_autoptr (GPtrArray) hosts = g_ptr_array_new_with_free_func (g_free);
  for (guint i = 0; i < words->len; i++)
    {
      const char *word = g_ptr_array_index (words, i);
      gboolean is_all = all && g_str_equal (word, "*");
      if (is_all && words->len > 1)
        return vr_config_invalid (error, "\"*\" means all hosts: write it alone");
      if (!is_all && !is_host_name (word))
        return vr_config_invalid (error, "\"%s\" is not a host's name%s", word, all ? ", and not *" : "");
      if (!vr_config_add_once (hosts, g_strdup (word), error))
        return FALSE;
    }
  return vr_config_store_list (field, hosts);
}

gboolean
vr_config_read_reach (const char *text, gpointer field, GError **error)
{
  return read_host_names (text, TRUE, field, error);
}

gboolean
vr_config_read_hosts (const char *text, gpointer field, GError **error)
{
  return read_host_names (text, FALSE, field, error);
}

/* ---- [trust] ---- */

gboolean
vr_config_read_trusted_networks (const char *text, gpointer field, GError **error)
{
  g_autoptr (GPtrArray) words = vr_config_split_list (text);
  g_autoptr (GPtrArray) networks = g_ptr_array_new_with_free_func (g_free);
  for (guint i = 0; i < words->len; i++)
    {
      const char *word = g_ptr_array_index (words, i);
      const char *colon = strchr (word, ':');
      g_autofree char *host = g_strndup (word, colon != NULL ? (gsize) (colon - word) : 0);
      g_auto (GStrv) parts = g_strsplit (colon != NULL ? colon + 1 : "", "/", 2);
      g_autofree char *address = parts[0] != NULL ? vr_address_canonical (parts[0], NULL) : NULL;
      guint64 length;
      if (!is_host_name (host))
        return vr_config_invalid (error, "\"%s\" does not begin with a host's name: write it like h1:10.9.1.0/24", word);
      if (address == NULL || parts[1] == NULL
          || !g_ascii_string_to_unsigned (parts[1], 10, 1, vr_address_is_v6 (address) ? 128 : 32, &length, NULL))
        return vr_config_invalid (error, "\"%s\" does not end in a network: write it like h1:10.9.1.0/24 or h1:fd00:9:1::/64", word);
      if (!vr_config_add_once (networks, g_strdup_printf ("%s:%s/%u", host, address, (guint) length), error))
        return FALSE;
    }
  return vr_config_store_list (field, networks);
}

gboolean
vr_config_read_start (const char *text, gpointer field, GError **error)
{
  gboolean anywhere = g_str_equal (text, "anywhere");
  if (!anywhere && !g_str_equal (text, "home"))
    return vr_config_invalid (error, "\"%s\" is neither anywhere nor home", text);
  *(gboolean *) field = anywhere;
  return TRUE;
}

gboolean
vr_config_read_intents (const char *text, gpointer field, GError **error)
{
  gboolean any = g_str_equal (text, "any");
  if (!any && !g_str_equal (text, "proven"))
    return vr_config_invalid (error, "\"%s\" is neither proven nor any", text);
  *(gboolean *) field = any;
  return TRUE;
}

/* ---- [host], continued ---- */

gboolean
vr_config_read_interface (const char *text, gpointer field, GError **error)
{
  if (strlen (text) >= IFNAMSIZ || strpbrk (text, "/ \t") != NULL || g_str_equal (text, ".") || g_str_equal (text, ".."))
    return vr_config_invalid (error, "\"%s\" is not the name of a network interface (1 to %d characters, no blanks, no slash)", text,
                              IFNAMSIZ - 1);
  if (g_str_has_prefix (text, VR_LINK_PREFIX))
    return vr_config_invalid (error, "\"%s\": names that begin with %s belong to the tunnels", text, VR_LINK_PREFIX);
  return vr_config_store_text (field, g_strdup (text));
}

gboolean
vr_config_read_identity (const char *text, gpointer field, GError **error)
{
  if (strlen (text) > MAX_IDENTITY)
    return vr_config_invalid (error, "is longer than %d characters", MAX_IDENTITY);
  for (const char *at = text; *at != '\0'; at = g_utf8_next_char (at))
    {
      if (!g_unichar_isprint (g_utf8_get_char (at)) || *at == '"')
        return vr_config_invalid (error, "holds a quote or a control character; write a domain name such as h1.example.net, "
                                  "or a certificate's subject such as C=CH, CN=h1");
    }
  return vr_config_store_text (field, g_strdup (text));
}

/* ---- [libvirt], [log] ---- */

gboolean
vr_config_read_libvirt_uri (const char *text, gpointer field, GError **error)
{
  g_autoptr (GUri) uri = g_uri_parse (text, G_URI_FLAGS_NONE, NULL);
  const char *scheme = uri != NULL ? g_uri_get_scheme (uri) : NULL;
  if (scheme == NULL || (!g_str_equal (scheme, "qemu") && !g_str_has_prefix (scheme, "qemu+")))
    return vr_config_invalid (error, "\"%s\" is no URI of libvirt's QEMU driver, such as qemu:///system", text);

  const char *host = g_uri_get_host (uri);
  if (host != NULL && host[0] != '\0')
    return vr_config_invalid (error, "\"%s\" names the host \"%s\": virt-relayd works with the libvirt of its own host; "
                              "run it there too", text, host);
  return vr_config_store_text (field, g_strdup (text));
}

gboolean
vr_config_read_directory (const char *text, gpointer field, GError **error)
{
  if (!g_path_is_absolute (text))
    return vr_config_invalid (error, "\"%s\" is not an absolute path", text);
  return vr_config_store_text (field, g_strdup (text));
}

/* ---- [log] ---- */

gboolean
vr_config_read_engine (const char *text, gpointer field, GError **error)
{
  if (!g_str_equal (text, "file") && !g_str_equal (text, "etcd"))
    return vr_config_invalid (error, "\"%s\" is neither file nor etcd", text);
  *(VrEngine *) field = g_str_equal (text, "etcd") ? VR_ENGINE_ETCD : VR_ENGINE_FILE;
  return TRUE;
}

/* The URL with its port, and nothing behind it. */
static char *
read_endpoint (const char *text, GError **error)
{
  g_autoptr (GUri) uri = g_uri_parse (text, G_URI_FLAGS_NONE, NULL);
  const char *scheme = uri != NULL ? g_uri_get_scheme (uri) : NULL, *host = uri != NULL ? g_uri_get_host (uri) : NULL;
  if (host == NULL || host[0] == '\0' || !(g_str_equal (scheme, "http") || g_str_equal (scheme, "https")))
    {
      vr_config_invalid (error, "\"%s\" is not the URL of an etcd member, such as https://etcd1.example.org:2379", text);
      return NULL;
    }
  const char *path = g_uri_get_path (uri);
  if (!g_str_equal (path, "") && !g_str_equal (path, "/"))
    {
      vr_config_invalid (error, "\"%s\": there is no path in an etcd member's URL: remove %s", text, path);
      return NULL;
    }
  if (g_uri_get_userinfo (uri) != NULL || g_uri_get_query (uri) != NULL || g_uri_get_fragment (uri) != NULL)
    {
      vr_config_invalid (error, "\"%s\": a URL of an etcd member is scheme, host and port; user and password-file are keys of their own", text);
      return NULL;
    }
  int port = g_uri_get_port (uri) > 0 ? g_uri_get_port (uri) : 2379;
  return g_strdup_printf (strchr (host, ':') != NULL ? "%s://[%s]:%d" : "%s://%s:%d", scheme, host, port);
}

gboolean
vr_config_read_endpoints (const char *text, gpointer field, GError **error)
{
  g_autoptr (GPtrArray) words = vr_config_split_list (text);
  g_autoptr (GPtrArray) urls = g_ptr_array_new_with_free_func (g_free);
  for (guint i = 0; i < words->len; i++)
    {
      g_autofree char *url = read_endpoint (words->pdata[i], error);
      if (url == NULL)
        return FALSE;
      if (g_ptr_array_find_with_equal_func (urls, url, g_str_equal, NULL))
        return vr_config_invalid (error, "%s is given twice", url);
      if (i > 0 && g_str_has_prefix (url, "https:") != g_str_has_prefix (urls->pdata[0], "https:"))
        return vr_config_invalid (error, "some are http and some are https: one of them would be the weak one");
      g_ptr_array_add (urls, g_steal_pointer (&url));
    }
  return vr_config_store_list (field, urls);
}

gboolean
vr_config_read_prefix (const char *text, gpointer field, GError **error)
{
  gsize len = strlen (text);
  if (text[0] != '/' || len < 2 || len > 200 || text[len - 1] == '/' || strstr (text, "//") != NULL
      || strspn (text, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "/._-") != len)
    return vr_config_invalid (error, "\"%s\" is not a prefix for keys, such as " VR_ETCD_PREFIX ": it begins with \"/\", does not end with one, and "
                                     "has letters, digits, \".\", \"_\" and \"-\" between them", text);
  return vr_config_store_text (field, g_strdup (text));
}

gboolean
vr_config_read_user (const char *text, gpointer field, GError **error)
{
  for (const char *p = text; *p != '\0'; p++)
    {
      if (!g_ascii_isgraph (*p))
        return vr_config_invalid (error, "\"%s\" is not the name of an etcd user: no blanks, and nothing that is not ASCII", text);
    }
  return vr_config_store_text (field, g_strdup (text));
}

gboolean
vr_config_read_days (const char *text, gpointer field, GError **error)
{
  g_autofree char *number = g_strndup (text, strlen (text) - 1);
  guint64 days = 0;
  if (!g_str_has_suffix (text, "d") || !g_ascii_string_to_unsigned (number, 10, 1, VR_CONFIG_MAX_DAYS, &days, NULL))
    return vr_config_invalid (error, "\"%s\" is not a number of days from 1d to %dd", text, VR_CONFIG_MAX_DAYS);
  *(guint *) field = (guint) days * 24 * 3600;
  return TRUE;
}

/* ---- [tunnel] ---- */

gboolean
vr_config_read_auth (const char *text, gpointer field, GError **error)
{
  if (g_str_equal (text, "psk"))
    *(VrAuth *) field = VR_AUTH_PSK;
  else if (g_str_equal (text, "certificate"))
    *(VrAuth *) field = VR_AUTH_CERTIFICATE;
  else
    return vr_config_invalid (error, "\"%s\" is neither psk nor certificate", text);
  return TRUE;
}

gboolean
vr_config_read_vici_socket (const char *text, gpointer field, GError **error)
{
  const char *path = g_str_has_prefix (text, "unix://") ? text + strlen ("unix://") : text;
  if (!g_path_is_absolute (path))
    return vr_config_invalid (error, "\"%s\" is not the path of a socket, such as /run/charon.vici", text);
  return vr_config_store_text (field, g_strconcat ("unix://", path, NULL));
}

/* An absolute path, or ADDRESS:PORT with an IPv6 address in brackets. */
gboolean
vr_config_read_listen (const char *text, gpointer field, GError **error)
{
  const char *colon = strrchr (text, ':');
  gboolean bracketed = text[0] == '[' && colon != NULL && colon > text + 1 && colon[-1] == ']';
  g_autofree char *address = colon == NULL ? NULL : bracketed ? g_strndup (text + 1, colon - text - 2) : g_strndup (text, colon - text);
  if (g_path_is_absolute (text))
    return vr_config_store_text (field, g_strdup (text));
  if (address == NULL || !g_ascii_string_to_unsigned (colon + 1, 10, 1, G_MAXUINT16, NULL, NULL) || (strchr (address, ':') != NULL) != bracketed
      || !g_hostname_is_ip_address (address))
    return vr_config_invalid (error, "\"%s\" is neither the path of a socket nor ADDRESS:PORT, such as 127.0.0.1:9732 or [::1]:9732", text);
  return vr_config_store_text (field, g_strdup (text));
}

static gboolean
check_proposal (const char *proposal, gboolean esp, GError **error)
{
  if (strspn (proposal, G_CSET_a_2_z G_CSET_DIGITS "-_") != strlen (proposal))
    return vr_config_invalid (error, "\"%s\" is no proposal in strongSwan's notation, such as aes256gcm16-prfsha384-ecp384", proposal);

  g_auto (GStrv) algorithms = g_strsplit (proposal, "-", -1);
  for (guint i = 0; esp && algorithms[i] != NULL; i++)
    {
      if (g_str_equal (algorithms[i], "null") || strstr (algorithms[i], "gmac") != NULL)
        return vr_config_invalid (error, "\"%s\" would send guests' packets in clear", proposal);
    }
  return TRUE;
}

static gboolean
read_proposals (const char *text, gboolean esp, gpointer field, GError **error)
{
  g_autoptr (GPtrArray) words = vr_config_split_list (text);
  for (guint i = 0; i < words->len; i++)
    {
      if (!check_proposal (g_ptr_array_index (words, i), esp, error))
        return FALSE;
    }
  g_ptr_array_add (words, NULL);
  return vr_config_store_text (field, g_strjoinv (",", (char **) words->pdata));
}

gboolean
vr_config_read_proposals (const char *text, gpointer field, GError **error)
{
  return read_proposals (text, FALSE, field, error);
}

gboolean
vr_config_read_esp_proposals (const char *text, gpointer field, GError **error)
{
  return read_proposals (text, TRUE, field, error);
}

static gboolean
read_number (const char *text, const char *of_what, guint min, guint max, gpointer field, GError **error)
{
  guint64 number;
  if (!g_ascii_string_to_unsigned (text, 10, min, max, &number, NULL))
    return vr_config_invalid (error, "\"%s\" is not a number of %s from %u to %u", text, of_what, min, max);
  *(guint *) field = (guint) number;
  return TRUE;
}

gboolean
vr_config_read_seconds (const char *text, gpointer field, GError **error)
{
  return read_number (text, "seconds", 1, VR_CONFIG_MAX_SECONDS, field, error);
}

gboolean
vr_config_read_flag (const char *text, gpointer field, GError **error)
{
  gboolean yes = g_str_equal (text, "yes");

  if (!yes && !g_str_equal (text, "no"))
    return vr_config_invalid (error, "\"%s\" is neither yes nor no", text);
  *(gboolean *) field = yes;
  return TRUE;
}

gboolean
vr_config_read_mebibytes (const char *text, gpointer field, GError **error)
{
  return read_number (text, "MiB", 1, VR_CONFIG_MAX_MEBIBYTES, field, error);
}

gboolean
vr_config_read_mtu (const char *text, gpointer field, GError **error)
{
  return read_number (text, "bytes", VR_CONFIG_MIN_MTU, VR_CONFIG_MAX_MTU, field, error);
}

/* ---- [path] ---- */

static const char *const directs[] = { [VR_DIRECT_NEVER] = "never", [VR_DIRECT_EXISTING] = "existing", [VR_DIRECT_BUILD] = "build" };

const char *
vr_direct_to_string (VrDirect direct)
{
  return directs[direct];
}

gboolean
vr_config_read_direct (const char *text, gpointer field, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (directs); i++)
    if (g_str_equal (text, directs[i]))
      {
        *(VrDirect *) field = i;
        return TRUE;
      }
  return vr_config_invalid (error, "\"%s\" is none of build, existing and never", text);
}

gboolean
vr_config_read_threshold (const char *text, gpointer field, GError **error)
{
  return read_number (text, "packets", 1, VR_CONFIG_MAX_THRESHOLD, field, error);
}
