import { logout } from '~/api/session';
import type { Me } from '~/api/types';
import { ChangePassword } from '~/features/profile/ChangePassword';
import { Button } from '~/ui/button';
import { AuthFrame } from './AuthFrame';
import { StepUpDialog } from './StepUpDialog';

/** All that a login reaches whose password somebody else chose, or which is too short without the factor that is gone. */
export function OwnPassword({ me }: { me: Me }) {
  return (
    <AuthFrame
      title="Choose your own password"
      lead="Yours was chosen by somebody else, or is too short without a second factor. Then everything is there."
      footer={
        <Button tone="quiet" small onPress={() => void logout()}>
          Log out
        </Button>
      }
    >
      <ChangePassword username={me.user.username} />
      <StepUpDialog />
    </AuthFrame>
  );
}
