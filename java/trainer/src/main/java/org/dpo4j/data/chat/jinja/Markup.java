package org.dpo4j.data.chat.jinja;

/**
 * A text that the filters safe and escape have marked. It prints as it is. Texts that are added to it are escaped, as
 * markupsafe does, and its methods are refused.
 */
record Markup(String text) {
    static Markup escape(String text) {
        return new Markup(text.replace("&", "&amp;")
                .replace(">", "&gt;")
                .replace("<", "&lt;")
                .replace("'", "&#39;")
                .replace("\"", "&#34;"));
    }
}
