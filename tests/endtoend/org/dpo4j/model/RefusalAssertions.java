package org.dpo4j.model;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.dpo4j.kernels.Dpo4jException;

/** Calls that dpo4j refuses with a {@link Dpo4jException}. */
public final class RefusalAssertions {
    private RefusalAssertions() {}

    /** The message contains all of these parts. */
    public static void assertRefused(ThrowingCallable call, CharSequence... parts) {
        assertThatThrownBy(call).isInstanceOf(Dpo4jException.class).hasMessageContainingAll(parts);
    }

    /** The message is this one. */
    public static void assertRefusedWith(ThrowingCallable call, String message) {
        assertThatThrownBy(call).isInstanceOf(Dpo4jException.class).hasMessage(message);
    }
}
