/** Reports of recorded runs as HTML pages of one file: tables, and charts as SVG. */
@NullMarked
package org.dpo4j.report.html;

import org.jspecify.annotations.NullMarked;
