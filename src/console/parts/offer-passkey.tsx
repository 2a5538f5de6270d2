import { useState } from 'preact/hooks';
import { addPasskey, passkeysWork } from '../core/passkeys.ts';
import { signedIn } from '../core/session.ts';
import { useWatched } from '../core/store.ts';
import { useWords } from '../core/words.ts';
import { arrival } from '../pages/door.tsx';

/** After a first sign-in by a link: so that the next one needs none. */
export function OfferPasskey() {
  const words = useWords();
  const state = useWatched(arrival);
  const [told, setTold] = useState<string | null>(null);
  if (state !== 'new' || !passkeysWork()) return null;
  const add = async (): Promise<void> => {
    const { userId } = signedIn.value as { userId: string };
    const made = await addPasskey(userId, userId, []);
    setTold(
      made.ok
        ? words.settings.passkeyAdded
        : ((words.passkey as Record<string, string>)[made.why] ?? words.problems.other),
    );
  };
  return (
    <div class="notice yes" role="status">
      <p>{told ?? words.signIn.offer}</p>
      {told === null && (
        <button type="button" class="button slim" onClick={() => void add()}>
          {words.signIn.offerYes}
        </button>
      )}
      <button type="button" class="button quiet slim" onClick={() => arrival.set('none')}>
        {told === null ? words.signIn.offerNo : words.common.close}
      </button>
    </div>
  );
}
