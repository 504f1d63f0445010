import type { ConversationItem } from '@antiphon/react';
import { Braces, FileDown, FileText } from 'lucide-react';
import { download } from '../inspect/download';
import { asJson, asText } from '../transcript';
import { Menu } from './menu';

export function SaveTranscript({ items }: { items: readonly ConversationItem[] }) {
  return (
    <Menu
      label="Save transcript"
      icon={<FileDown aria-hidden="true" />}
      isDisabled={!items.length}
      choices={[
        {
          name: 'As text',
          icon: <FileText aria-hidden="true" />,
          act: () => download(asText(items), 'conversation.txt'),
        },
        {
          name: 'As JSON',
          icon: <Braces aria-hidden="true" />,
          act: () => download(asJson(items), 'conversation.json'),
        },
      ]}
    />
  );
}
