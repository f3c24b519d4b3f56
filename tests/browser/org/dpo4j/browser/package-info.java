/** Pages, opened in Debian's chromium. */
@NullMarked
package org.dpo4j.browser;

import org.jspecify.annotations.NullMarked;
