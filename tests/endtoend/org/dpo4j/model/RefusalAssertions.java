package org.dpo4j.model;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.dpo4j.kernels.Dpo4jException;

/** Calls that dpo4j refuses with a {@link Dpo4jException}. */
public final class RefusalAssertions {
    private RefusalAssertions() {}

    /** Fails unless the call is refused with a message that contains all these parts. */
    public static void assertRefused(ThrowingCallable call, CharSequence... parts) {
        assertThatThrownBy(call).isInstanceOf(Dpo4jException.class).hasMessageContainingAll(parts);
    }

    /** Fails unless the call is refused with this message. */
    public static void assertRefusedWith(ThrowingCallable call, String message) {
        assertThatThrownBy(call).isInstanceOf(Dpo4jException.class).hasMessage(message);
    }
}
