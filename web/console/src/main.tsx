import '@antiphon/react/voice-panel.css';
import './styles/fonts.css';
import './styles/base.css';
import './styles/shell.css';
import './styles/stage.css';
import './styles/settings.css';
import './styles/details.css';
import './styles/conversations.css';
import './styles/operate.css';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app';

const root = document.getElementById('root');
if (root) {
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
}
