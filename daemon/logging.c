/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/logging.h"

#include <stdio.h>
#include <unistd.h>

static gboolean all, to_journal; /* set once, before there are threads */

static const char *
field (const GLogField *fields, gsize n_fields, const char *key)
{
  for (gsize i = 0; i < n_fields; i++)
    {
      if (g_str_equal (fields[i].key, key) && fields[i].length < 0)
        return fields[i].value;
    }
  return NULL;
}

static const char *
level_word (GLogLevelFlags level)
{
  if (level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL))
    return "error: ";
  return level & G_LOG_LEVEL_WARNING ? "warning: " : "";
}

char *
vr_logging_format (GLogLevelFlags level, const char *domain, const char *message)
{
  return g_strdup_printf ("virt-relayd: %s%s%s%s", level_word (level), domain != NULL ? domain : "",
                          domain != NULL ? ": " : "", message);
}

static GLogWriterOutput
write_message (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer data)
{
  const char *domain = field (fields, n_fields, "GLIB_DOMAIN");
  const char *message = field (fields, n_fields, "MESSAGE");
  if (!all && g_log_writer_default_would_drop (level, domain))
    return G_LOG_WRITER_HANDLED;
  if (to_journal && g_log_writer_journald (level, fields, n_fields, NULL) == G_LOG_WRITER_HANDLED)
    return G_LOG_WRITER_HANDLED;

  g_autofree char *line = vr_logging_format (level, domain, message != NULL ? message : "(a message that is no text)");
  fprintf (stderr, "%s\n", line); /* one call: lines of several threads stay whole */
  return G_LOG_WRITER_HANDLED;
}

void
vr_logging_init (gboolean verbose)
{
  all = verbose;
  to_journal = g_log_writer_is_journald (STDERR_FILENO);
  g_log_set_writer_func (write_message, NULL, NULL);
}
